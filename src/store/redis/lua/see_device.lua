-- KEYS: device, devices, due. ARGV: base, user, id, most, first seen, last seen, user agent, hints, name, trusted until, hash,
-- standing, due; '' stands for nothing. Returns 1 when the device is new to the user. Of one that is known, name, trust and
-- first sight stay.
local base, user, id, most, first, last, user_agent, hints, name, trusted, hash, standing, due_at = unpack(ARGV)
local known = call('HMGET', KEYS[1], 'last_seen_at', 'standing', 'due_at')
local known_last, known_due = known[1], known[3]
local is_new = not known_last or known[2] == FORGOTTEN

-- How soon a device goes when there are too many, the least first.
local function is_worth_less(one, other)
  for place = 1, 4 do
    if one[place] ~= other[place] then return one[place] < other[place] end
  end
  return false
end

-- The ids of those that go for the newcomer. Of very many only the longest unseen are looked at.
local function beyond()
  local excess = call('ZCARD', KEYS[2]) + 1 - number(most)
  if known_last or excess <= 0 then return {} end
  local others = {}
  for _, other in ipairs(call('ZRANGE', KEYS[2], 0, 999)) do
    local of = call('HMGET', device_key(base, user, other), 'name', 'trusted_until', 'standing', 'last_seen_at')
    others[#others + 1] = {(of[1] or of[2]) and 1 or 0, tonumber(of[3]) or 2, tonumber(of[4]) or 0, other}
  end
  table.sort(others, is_worth_less)
  local ids = {}
  for place = 1, math.min(excess, #others) do ids[place] = others[place][4] end
  return ids
end

local gone = beyond()
if is_new then
  call('DEL', KEYS[1])
  call('HSET', KEYS[1], 'first_seen_at', first, 'standing', standing)
  if name ~= '' then call('HSET', KEYS[1], 'name', name) end
  if trusted ~= '' then call('HSET', KEYS[1], 'trusted_until', trusted, 'trust_hash', hash) end
elseif standing == LASTING then
  call('HSET', KEYS[1], 'standing', LASTING)
end
if is_new or number(known_last) < number(last) then
  call('HSET', KEYS[1], 'last_seen_at', last)
  call('ZADD', KEYS[2], last, id)
end
if is_new or not known_due or number(known_due) < number(due_at) then
  call('HSET', KEYS[1], 'due_at', due_at)
  call('ZADD', KEYS[3], due_at, id .. user)
end
call('HSET', KEYS[1], 'user_agent', user_agent, 'hints', hints)
for _, other in ipairs(gone) do
  call('DEL', device_key(base, user, other))
  call('ZREM', KEYS[2], other)
  call('ZREM', KEYS[3], other .. user)
end
return is_new and 1 or 0
