-- KEYS: device, devices. ARGV: id, first seen, last seen, user agent, hints, name, trusted until; '' stands for nothing.
-- Answers 1 when the device is new to the user. Of one that is known, name, trust and first sight stay.
local id, first, last, user_agent, hints, name, trusted = unpack(ARGV)
local known_last = call('HGET', KEYS[1], 'last_seen_at')
local is_new = not known_last
if is_new then
  call('HSET', KEYS[1], 'first_seen_at', first)
  if name ~= '' then call('HSET', KEYS[1], 'name', name) end
  if trusted ~= '' then call('HSET', KEYS[1], 'trusted_until', trusted) end
end
if is_new or number(known_last) < number(last) then
  call('HSET', KEYS[1], 'last_seen_at', last)
  call('ZADD', KEYS[2], last, id)
end
call('HSET', KEYS[1], 'user_agent', user_agent, 'hints', hints)
return is_new and 1 or 0
