// swift-tools-version: 6.1

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
]

let package = Package(
    name: "samovar",
    products: [
        .executable(name: "samovar", targets: ["samovar"]),
        .library(name: "SamovarClient", targets: ["SamovarClient"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
    ],
    targets: [
        // What is decided. Pure: no clock, no lock, no task, no socket. Core/Key alone hashes.
        .target(
            name: "SamovarCore",
            dependencies: [.product(name: "Crypto", package: "swift-crypto")],
            path: "Sources/Core", swiftSettings: strict),

        // How it is written: bytes ↔ values, piece by piece. Pure.
        .target(name: "SamovarWire", dependencies: ["SamovarCore"], path: "Sources/Wire", swiftSettings: strict),

        // In what order: the way of one request. Tasks and locks, no sockets. Start at Pipeline.swift.
        .target(
            name: "SamovarEngine",
            dependencies: ["SamovarCore"],
            path: "Sources/Engine", swiftSettings: strict),

        // L2: Redis, spoken through hiredis's reader and formatter on NIO's event loops.
        .target(
            name: "SamovarStoreRedis",
            dependencies: [
                "SamovarCore", "SamovarEngine", "CHiredis",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Sources/StoreRedis", swiftSettings: strict),
        .systemLibrary(
            name: "CHiredis", path: "Sources/CHiredis", pkgConfig: "hiredis", providers: [.apt(["libhiredis-dev"])]),

        // Calls to providers.
        .target(
            name: "SamovarUpstreamHTTP",
            dependencies: [
                "SamovarCore", "SamovarEngine", "SamovarWire",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            path: "Sources/UpstreamHTTP", swiftSettings: strict),

        // Listeners: the binary port, the OpenAI-compatible port and the admin port; drain.
        .target(
            name: "SamovarServer",
            dependencies: [
                "SamovarCore", "SamovarEngine", "SamovarWire", "CEpoll",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            path: "Sources/Server", swiftSettings: strict),
        .systemLibrary(name: "CEpoll", path: "Sources/CEpoll"),

        // The binary protocol from the other side, for applications. Start at SamovarClient.swift.
        .target(
            name: "SamovarClient",
            dependencies: [
                "SamovarCore", "SamovarWire",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Sources/Client", swiftSettings: strict),

        // The executable: reads the configuration, wires the parts, runs; the subcommands.
        .executableTarget(
            name: "samovar",
            dependencies: [
                "SamovarCore", "SamovarWire", "SamovarEngine", "SamovarServer", "SamovarUpstreamHTTP",
                "SamovarStoreRedis", "SamovarClient", "CEpoll",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            path: "Sources/samovar", swiftSettings: strict),

        // A provider to test, show and measure against: its answers are a function of the messages.
        .executableTarget(
            name: "provider",
            dependencies: [
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            path: "tools/provider", swiftSettings: strict),

        // How small recorded streams become, and how fast they are rendered again; part of tools/bench.
        .executableTarget(
            name: "stored-size", dependencies: ["SamovarCore", "SamovarWire"], path: "tools/bench/stored",
            swiftSettings: strict),

        // What the memory cache costs an operation and an entry; part of tools/bench.
        .executableTarget(
            name: "l1-cost", dependencies: ["SamovarCore", "SamovarEngine"], path: "tools/bench/l1",
            swiftSettings: strict),
        // How fast a body becomes a key; part of tools/bench.
        .executableTarget(
            name: "key-speed", dependencies: ["SamovarCore", .product(name: "Crypto", package: "swift-crypto")],
            path: "tools/bench/key", swiftSettings: strict),

        // The load that tools/bench/peers puts on the sidecar and on its rivals alike.
        .executableTarget(
            name: "peer-load",
            dependencies: [
                "SamovarCore", "SamovarWire", "CEpoll", .product(name: "Crypto", package: "swift-crypto"),
            ],
            path: "tools/bench/peers/load", swiftSettings: strict),

        // Random schedules of pods that share their calls, around a model of Redis: what tools/simulate runs.
        .executableTarget(
            name: "simulate", dependencies: ["Simulation"], path: "tools/simulator", swiftSettings: strict),

        // Tests mirror the sources by path.
        .target(name: "TestSupport", path: "Tests/Support", swiftSettings: strict),
        .testTarget(
            name: "CoreTests", dependencies: ["SamovarCore", "TestSupport"], path: "Tests/CoreTests",
            swiftSettings: strict),
        .testTarget(
            name: "WireTests",
            dependencies: [
                "SamovarCore", "SamovarWire", "TestSupport", .product(name: "Crypto", package: "swift-crypto"),
            ],
            path: "Tests/WireTests", exclude: ["Vectors"], swiftSettings: strict),
        // The shipped machines of several pods in one schedule, judged while it runs; one seed, one schedule.
        .target(
            name: "Simulation", dependencies: ["SamovarCore"], path: "Tests/Simulation", swiftSettings: strict),
        .testTarget(
            name: "SimulationTests", dependencies: ["Simulation"], path: "Tests/SimulationTests",
            swiftSettings: strict),
        .testTarget(
            name: "EngineTests", dependencies: ["SamovarCore", "SamovarEngine", "SamovarWire", "TestSupport"],
            path: "Tests/EngineTests",
            swiftSettings: strict),
        .testTarget(
            name: "ServerTests",
            dependencies: [
                "SamovarCore", "SamovarEngine", "SamovarWire", "SamovarServer", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/ServerTests", swiftSettings: strict),
        .testTarget(
            name: "SamovarStoreRedisTests",
            dependencies: [
                "SamovarCore", "SamovarEngine", "SamovarStoreRedis", "TestSupport",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/StoreRedisTests", swiftSettings: strict),
        .testTarget(
            name: "SamovarUpstreamHTTPTests",
            dependencies: [
                "SamovarUpstreamHTTP",
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            path: "Tests/UpstreamHTTPTests", swiftSettings: strict),
        .testTarget(
            name: "samovarTests",
            dependencies: ["samovar", "SamovarCore", "SamovarWire", .product(name: "Crypto", package: "swift-crypto")],
            path: "Tests/samovarTests", swiftSettings: strict),
        .testTarget(
            name: "ProviderTests", dependencies: ["provider"], path: "Tests/ProviderTests", swiftSettings: strict),
        .testTarget(
            name: "ClientTests", dependencies: ["SamovarClient", "SamovarCore", "SamovarWire", "TestSupport"],
            path: "Tests/ClientTests", swiftSettings: strict),
        // The real executables, a real Redis and real sockets, tried to be broken.
        .testTarget(
            name: "ProcessTests",
            dependencies: ["samovar", "provider", "SamovarClient", "SamovarCore", "SamovarWire", "TestSupport"],
            path: "Tests/ProcessTests", exclude: ["openai_client.py", "binary_client.py", "tls_client.py"],
            swiftSettings: strict),
    ]
)
