import SamovarCore

extension Provenance {
    /// The short word of `X-Cache`.
    public var xCache: String {
        switch result {
        case .l1Hit, .l2Hit: "HIT"
        case .coalesced: "COALESCED"
        case .miss: "MISS"
        case .stale: "STALE"
        case .fallback: "FALLBACK"
        case .bypass, .error: "BYPASS"
        }
    }

    /// The value of `Cache-Status` (RFC 9211).
    public var cacheStatus: String {
        var status = "samovar"
        switch result {
        case .l1Hit: status += "; hit; detail=l1"
        case .l2Hit: status += "; hit; detail=l2"
        case .stale: status += "; hit; fwd=stale" + (step.map { "; detail=\($0.rawValue)" } ?? "")
        case .coalesced: status += "; fwd=miss; collapsed"
        case .miss: status += "; fwd=miss"
        case .fallback: status += "; fwd=miss; detail=\((step ?? .fallback).rawValue)"
        case .bypass, .error: status += "; fwd=bypass"
        }
        if let remaining { status += "; ttl=\(remaining.components.seconds)" }
        if stored == true { status += "; stored" }
        return status
    }
}
