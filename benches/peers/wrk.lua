-- GET with a token of a file, the next one each time; its kind stands in front of it. Requests are made before the load begins: wrk shares its core with
-- the service, and every microsecond here is one that the proxy is not kept busy.
local requests, last, at = {}, 0, 0

function init(arguments)
   for line in io.lines(arguments[1]) do
      local headers, token = {}, line:match("%S+$")
      if token then headers["Authorization"] = "Bearer " .. token end
      last = last + 1
      requests[last] = wrk.format("GET", nil, headers)
   end
end

function request()
   at = at + 1
   if at > last then at = 1 end
   return requests[at]
end

-- `errors.status` counts answers over 399; the load goes to paths that redirect nobody.
function done(summary)
   local e = summary.errors
   print(string.format(
      '{"answers":%d,"microseconds":%d,"not_2xx":%d,"failed_connects":%d,"failed_reads":%d,"failed_writes":%d,"timeouts":%d}',
      summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout))
end
