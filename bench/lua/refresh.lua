-- Refreshes sessions in a loop: each connection uses the refresh token that a response has set.
-- Arguments after "--": PATH FILE.  FILE has a refresh token for each connection, one a line.
--
-- Writes one line of numbers for Bench::Refresh: responses with 200, others, and the 50th and
-- 99th percentile of the latency in microseconds.

local tokens = {}
local path
good, bad = 0, 0          -- done() reads the globals of a thread

local threads = {}

function setup(thread)
    table.insert(threads, thread)
end

function init(args)
    path = args[1]
    for line in io.lines(args[2]) do
        tokens[#tokens + 1] = line
    end
end

function request()
    -- wrk makes one request that it does not send
    local token = table.remove(tokens, 1) or "none"
    local body = '{"refreshToken":"' .. token .. '"}'

    return "POST " .. path .. " HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
           .. "Content-Length: " .. #body .. "\r\n\r\n" .. body
end

function response(status, headers)
    -- the last Set-Cookie is that of the refresh token
    local token = status == 200 and string.match(headers["Set-Cookie"] or "", "refreshToken=(%w+)")

    if token then
        good = good + 1
        tokens[#tokens + 1] = token
    else
        bad = bad + 1
    end
end

function done(summary, latency)
    local sum, others = 0, 0

    for _, thread in ipairs(threads) do
        sum = sum + thread:get("good")
        others = others + thread:get("bad")
    end

    print(string.format("%d %d %d %d %d", sum, others, latency:percentile(50), latency:percentile(99),
                        summary.duration))
end
