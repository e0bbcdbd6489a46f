-- Posts one body over and over and says as JSON how long the answers took, and how many were not the answer expected.
-- Arguments: file of the body, status expected, text that the answer must contain, file of tokens ("" for none).

local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function content(name)
  local file = assert(io.open(name, "rb"))
  local all = file:read("*a")
  file:close()
  return all
end

local wanted, text, ready, tokens, body
local used = 0
-- Global, so that done(), which runs elsewhere, can ask for them.
statuses, strange, spent = {}, 0, false

function init(args)
  body, wanted, text = content(args[1]), tonumber(args[2]), args[3]
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  if args[4] ~= "" then
    tokens = {}
    for line in io.lines(args[4]) do
      table.insert(tokens, line)
    end
  else
    ready = wrk.format(nil, nil, nil, body)
  end
end

function request()
  if ready then
    return ready
  end
  used = used + 1
  spent = used > #tokens
  wrk.headers["Authorization"] = "Bearer " .. tokens[(used - 1) % #tokens + 1]
  return wrk.format(nil, nil, nil, body)
end

function response(status, headers, answer)
  if status ~= wanted then
    local name = tostring(status)
    statuses[name] = (statuses[name] or 0) + 1
  elseif not string.find(answer, text, 1, true) then
    strange = strange + 1
  end
end

function done(summary, latency, requests)
  local wrong, other, out_of_tokens = {}, 0, false
  for _, thread in ipairs(threads) do
    for name, count in pairs(thread:get("statuses")) do
      table.insert(wrong, string.format('"%s":%d', name, count))
    end
    other = other + thread:get("strange")
    out_of_tokens = out_of_tokens or thread:get("spent")
  end
  local failed = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"p50":%d,"p90":%d,"p99":%d,"most":%d,"statuses":{%s},"strange":%d,'
      .. '"spent":%s,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(90), latency:percentile(99),
    latency.max, table.concat(wrong, ","), other, tostring(out_of_tokens), failed.connect, failed.read, failed.write,
    failed.timeout))
end
