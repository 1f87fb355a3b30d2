-- KEYS: devices. ARGV: base, user, limit. Answers ids and fields, newest seen first.
local page = {}
for _, id in ipairs(call('ZREVRANGE', KEYS[1], 0, number(ARGV[3]) - 1)) do
  page[#page + 1] = {id, call('HGETALL', ARGV[1] .. 'device:' .. id .. ':' .. ARGV[2])}
end
return page
