-- Makes the requests of wrk, so that two servers that are compared get the same bytes.
-- Arguments after "--":
--
--   PATH HEADER FILE LINES ORDER METHOD BODY PAUSE
--
-- HEADER is the header without its value, or empty.  The values are the first LINES lines of
-- FILE, or, if FILE is "number:FORMAT", the numbers from 1 to LINES in that format.  ORDER is
-- cycle, random or once; with once the run ends after the last value.  BODY is the same for
-- all requests.  PAUSE is the time in milliseconds between a response and the next request
-- of a connection.
--
-- Writes "begin" to standard error with the first request, and at the end one line of
-- numbers for Bench::Load.

local ffi = require("ffi")

ffi.cdef [[
    int getpid(void);
    int kill(int pid, int signal);
]]

local SIGINT = 2

local requests, lines, order, format
local head, tail
local n = -1                -- wrk makes one request that it does not send

local function text(value)
    return head .. value .. tail
end

local function read(path)
    local file = assert(io.open(path))

    for line in file:lines() do
        requests[#requests + 1] = text(line)
        if #requests == lines then
            break
        end
    end

    file:close()
    assert(#requests == lines, path .. " has too few lines")
end

function init(args)
    local path, header, file = args[1], args[2], args[3]
    local method, body, pause = args[6], args[7], tonumber(args[8])

    lines, order = tonumber(args[4]), args[5]
    requests = {}
    head = method .. " " .. path .. " HTTP/1.1\r\nHost: bench\r\n" .. header
    tail = (header == "" and "\r\n" or "\r\n\r\n") .. body

    -- wrk calls it after this function
    if pause > 0 then
        function delay()
            return pause
        end
    end
    format = file:match("^number:(.*)$")

    if header == "" then
        requests[1], lines = text(""), 1
    elseif not format then
        read(file)
    elseif lines == 1 then
        requests[1], format = text(format:format(1)), nil
    end

    math.randomseed(1)
end

function request()
    n = n + 1

    if n == 1 then
        io.stderr:write("begin\n")
    elseif n == lines and order == "once" then
        wrk.thread:stop()
        ffi.C.kill(ffi.C.getpid(), SIGINT)
    end

    local i = order == "random" and math.random(lines) or n % lines + 1

    return format and text(format:format(i)) or requests[i]
end

function done(summary, latency)
    local e = summary.errors

    print(("bench: requests %d microseconds %d status %d other %d p99 %d"):format(
        summary.requests, summary.duration, e.status,
        e.connect + e.read + e.write + e.timeout, latency:percentile(99)))
end
