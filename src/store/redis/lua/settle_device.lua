-- KEYS: device, devices, due. ARGV: user, id, now, seen before, due or '' to delete it. Returns how many were deleted: none
-- if the device was seen, named or trusted meanwhile.
local user, id, now, seen_before, due_at = unpack(ARGV)
local due = call('ZSCORE', KEYS[3], id .. user)
if not due or number(due) > number(now) then return 0 end
if due_at ~= '' then
  if call('EXISTS', KEYS[1]) == 1 then
    call('HSET', KEYS[1], 'due_at', due_at)
    call('ZADD', KEYS[3], due_at, id .. user)
  end
  return 0
end
local of = call('HMGET', KEYS[1], 'name', 'trusted_until', 'last_seen_at')
local is_marked = of[1] or (of[2] and number(of[2]) > number(now))
if is_marked and of[3] and number(of[3]) > number(seen_before) then return 0 end
call('ZREM', KEYS[2], id)
call('ZREM', KEYS[3], id .. user)
return call('DEL', KEYS[1])
