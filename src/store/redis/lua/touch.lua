-- KEYS: record, open. ARGV: id, at, ip or '', generation or ''. Answers 1 when the session is there and has not ended.
local id, at, ip, generation = unpack(ARGV)
local seen = call('HMGET', KEYS[1], 'last_active_at', 'ended_at', 'generation')
local before = tonumber(seen[1])
-- A record that cannot be read is passed over: the rest of the batch has to land.
if not before or seen[2] or not call('ZSCORE', KEYS[2], id) then return 0 end

if before <= number(at) then
  call('HSET', KEYS[1], 'last_active_at', at)
  call('ZADD', KEYS[2], 'XX', at, id)
  if ip ~= '' then call('HSET', KEYS[1], 'last_ip', ip) end
end
if generation ~= '' and generation == seen[3] then
  call('HSET', KEYS[1], 'newest_seen', '1')
end
return 1
