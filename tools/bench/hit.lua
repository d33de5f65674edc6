-- For wrk: posts the bodies of a file, one a line, in an order that is random and the same each time.
local requests = {}

function init(arguments)
  for body in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, { ["Content-Type"] = "application/json" }, body)
  end
  math.randomseed(1)
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.write(string.format('{"requests":%d,"seconds":%f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, errors))
end
