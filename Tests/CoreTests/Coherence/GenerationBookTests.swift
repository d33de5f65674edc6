import Testing

@testable import SamovarCore

@Suite("What is known of generations")
struct GenerationBookTests {
    private let model = Scope.model("m")
    private let tenant = Scope.tenant(.listener("a"))

    @Test("tenants, namespaces and models never meet, whatever they are called")
    func scopes() {
        let (a, b) = (Tenant.listener("a"), Tenant.listener("b"))
        let scopes: [Scope] = [
            .tenant(a), .tenant(b), .tenant(.anonymous), .namespace("a", of: a), .namespace("a", of: b),
            .namespace("", of: a), .model("a"), .model("b"), .model(""),
        ]
        #expect(Set(scopes).count == scopes.count)
        #expect(Set(scopes.map(\.id)).count == scopes.count)
        #expect(Set(scopes.map(\.bytes)).count == scopes.count)
    }

    @Test("what is new to it is asked for, and known once it was told; none counts as 0")
    func asks() {
        var book = GenerationBook()
        let first = book.note([tenant, model])
        _ = book.learned(tenant, 0)
        let second = book.note([tenant, model])
        _ = book.learned(model, 7)
        #expect(first == .ask([tenant, model], hasForgotten: false))
        #expect(second == .ask([model], hasForgotten: false))
        let known = Generations([.init(scope: tenant.id, number: 0), .init(scope: model.id, number: 7)])
        #expect(book.note([tenant, model]) == .known(known))
    }

    @Test("a later generation makes what is older unusable, of its scope alone")
    func allows() {
        var book = GenerationBook()
        for scope in [tenant, model] { _ = book.learned(scope, 5) }
        let old = book.generations(of: [tenant, model])
        let other = book.generations(of: [tenant])
        let action = book.learned(model, 6)
        #expect(action == .init(invalidatesBefore: 6, raisesTo: nil))
        #expect(!book.allows(old) && book.allows(other) && book.allows(Generations()))
        #expect(book.allows(book.generations(of: [tenant, model])))
        #expect(old.isBefore(6, of: model.id) && !old.isBefore(5, of: model.id) && !other.isBefore(6, of: model.id))
    }

    @Test("one who knows less is told better, and changes nothing here")
    func forgetful() {
        var book = GenerationBook()
        _ = book.learned(model, 9)
        let old = book.generations(of: [model])
        #expect(book.learned(model, 0) == .init(invalidatesBefore: nil, raisesTo: 9))
        #expect(book.learned(model, 9) == .init(invalidatesBefore: nil, raisesTo: nil))
        #expect(book.allows(old) && !book.allows(Generations([.init(scope: model.id, number: 8)])))
    }

    @Test("one scope too many makes it forget all, and say so")
    func bounded() {
        var book = GenerationBook(scopeCountMax: 3)
        for name in ["a", "b", "c"] {
            _ = book.note([.model(name)])
            _ = book.learned(.model(name), 1)
        }
        let action = book.note([.model("c"), .model("d")])
        #expect(action == .ask([.model("c"), .model("d")], hasForgotten: true))
        #expect(book.count == 2)
    }
}
