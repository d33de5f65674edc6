import SamovarCore
import Testing

@testable import samovar

@Suite("Upstreams' limits are the fleet's")
struct ConfigurationFleetTests {
    private func fleet(_ yaml: String) throws -> FleetShare.Settings? {
        try ConfigurationText(yaml).read().pipelineSettings().fleet
    }

    private static let redis = "redis: {url: 'redis://127.0.0.1:1'}\n"

    @Test("where there is a Redis, unless they are not to be, or nothing is limited at all")
    func whether() throws {
        #expect(try fleet("") == nil)
        #expect(try fleet(Self.redis) == FleetShare.Settings(interval: .milliseconds(250), keep: .seconds(10)))
        #expect(try fleet(Self.redis + "admission: {fleet: false}") == nil)
        #expect(try fleet(Self.redis + "admission: {enabled: false}") == nil)
    }

    @Test("how often pods speak and how long parts are kept is configured")
    func figures() throws {
        let settings = try fleet(Self.redis + "admission: {share_interval: 100ms, share_keep: 30s}")
        #expect(settings == FleetShare.Settings(interval: .milliseconds(100), keep: .seconds(30)))
    }
}
