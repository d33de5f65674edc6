"""What is fuzzed: the function, the test module that it is in, and what helps libFuzzer to get anywhere."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    name: str
    module: str
    function: str
    # Inputs are short: what a longer one would find is within a limit that is lowered for it.
    byte_max: int
    dictionary: str | None = None
    # The function between real threads, for ThreadSanitizer.
    threaded: str | None = None


TARGETS = {
    target.name: target
    for target in [
        Target("frames", "WireTests", "fuzzFrames", 2048, "frames"),
        Target("http", "WireTests", "fuzzHTTP", 2048, "http"),
        Target("key", "CoreTests", "fuzzKey", 1024, "json"),
        Target("sse", "WireTests", "fuzzSSE", 2048, "sse"),
        Target("recording", "CoreTests", "fuzzRecording", 512),
        Target("resp", "SamovarStoreRedisTests", "fuzzRESP", 1024, "resp"),
        Target("value", "SamovarStoreRedisTests", "fuzzValue", 512),
        Target("connection", "ServerTests", "fuzzConnection", 2048, "frames"),
        Target("cancel", "ServerTests", "fuzzCancel", 64, threaded="raceCancel"),
    ]
}
