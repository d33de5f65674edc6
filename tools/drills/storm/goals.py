"""What the storm should come to. Every goal that the drill judges by is here, and nowhere else."""

# The ramp, cold: share of all requests that got the primary's answer, fresh or stale, in percent.
SUCCESS_PERCENT_MIN = 99.5
# What was answered and is not what the provider says to that prompt.
WRONG_MAX = 0
# Of the upstream calls, the share that the provider refused with 429, in percent.
THROTTLED_PERCENT_MAX = {"configured": 1.0, "learned": 5.0}
# Median of the successes.
P50_MS_MAX = 1.0

# While the provider fails: upstream calls for each request that nothing fresh could answer.
AMPLIFICATION_MAX = 1.10
# Of the requests for what had been answered before: those that were answered, fresh or stale, in percent.
KNOWN_PERCENT_MIN = 100.0
# From the provider's recovery until latencies and success are what they were before.
BACK_SECONDS_MAX = 10.0

# One flooding tenant of twenty: success of the nineteen others, in percent.
OTHERS_PERCENT_MIN = 99.5

# The articles' targets.
MEAN_MS_MAX = 300.0
ERROR_PERCENT_MAX = 0.5
# 3,000 requests a second, of which as many may fail.
RATE_MIN = 3_000 * (1 - ERROR_PERCENT_MAX / 100)
# For keys seen before, over a run with an outage.
AVAILABILITY_PERCENT_MIN = 99.95

# How late the load may send what it had planned, at p99: above this a run says nothing.
LATE_MS_MAX = 5.0
