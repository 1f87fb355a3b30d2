-- KEYS: open. ARGV: base, user, kept id or '', device or ''.
-- Answers the ids of the user's sessions without an ending.
local base, user, kept, device = unpack(ARGV)
local ids = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local is_there = device == '' or device == redis.call('HGET', base .. 's:' .. id .. ':' .. user, 'device_id')
  if id ~= kept and is_there then ids[#ids + 1] = id end
end
return ids
