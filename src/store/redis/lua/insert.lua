-- KEYS: record, open, over, ends, adoption, cutoff.
-- ARGV: base, user, id, view, now, cutoff, keep, lifetime, last_active_at, ends_at, 'open' or 'over', when the token to
-- adopt was issued or '', how many ended sessions are kept or '' for all, before when the others must have ended to go, how
-- many of those to look at, how many to evict, their ids and reasons by turns, then the fields of the record.
--
-- `view` names the open sessions that the caller has decided over: '*' when they do not matter, '' when it has not seen
-- them yet. Another view than the present one is answered with the present one, and nothing is changed.
local base, user, id, view, now, cutoff, keep, lifetime, last_active_at, ends_at, state = unpack(ARGV, 1, 11)
local issued_at, keep_ended, ended_before, most, evicted = unpack(ARGV, 12, 16)
local keys = {open = KEYS[2], over = KEYS[3], ends = KEYS[4]}
local fields = 17 + 2 * number(evicted)

if call('EXISTS', KEYS[1]) == 1 then return {'present'} end

if issued_at ~= '' then
  if call('EXISTS', KEYS[5]) == 0 then return {'not begun'} end
  local issued_until = call('GET', KEYS[6])
  if issued_until and number(issued_at) <= number(issued_until) then return {'cut off'} end
end

if view ~= '*' then
  local index = call('ZRANGE', keys.open, 0, -1, 'WITHSCORES')
  local present = redis.sha1hex(table.concat(index, ' '))
  if view ~= present then
    local active = {'view', present}
    for place = 1, #index, 2 do
      local other = index[place]
      local record = base .. 's:' .. other .. ':' .. user
      local times = deadlines(record)
      if times and is_readable(times) and not passed(times, number(now), number(cutoff)) then
        local seen = call('HMGET', record, 'device_id', 'authenticated_at')
        active[#active + 1] = {other, fixed_of(record), seen[1] or '', seen[2] or '', times.last_active_at}
      end
    end
    return active
  end
end

-- The records of ended sessions that go.
local trimmed = {}
if keep_ended ~= '' then
  local first = number(keep_ended)
  for _, other in ipairs(call('ZREVRANGE', keys.over, first, first + number(most) - 1)) do
    local ended_at = tonumber(call('HGET', base .. 's:' .. other .. ':' .. user, 'ended_at') or '')
    if not ended_at or ended_at < number(ended_before) then trimmed[#trimmed + 1] = other end
  end
end

local evictions = {}
for place = 17, fields - 1, 2 do
  local record = base .. 's:' .. ARGV[place] .. ':' .. user
  local times = deadlines(record)
  if times then
    evictions[#evictions + 1] = {record, ARGV[place], times, ARGV[place + 1]}
  end
end
for _, eviction in ipairs(evictions) do
  local ending = {at = now, reason = eviction[4], actor = 'system'}
  put_ending(keys, eviction[1], eviction[2], user, eviction[3], ending, keep)
end

call('HSET', KEYS[1], unpack(ARGV, fields))
call('PEXPIRE', KEYS[1], lifetime)
call('ZADD', keys[state], last_active_at, id)
call('ZADD', keys.ends, ends_at, id .. user)
outlive(keys[state], lifetime)
outlive(keys.ends, lifetime)
for _, other in ipairs(trimmed) do
  call('UNLINK', base .. 's:' .. other .. ':' .. user)
  call('ZREM', keys.over, other)
  call('ZREM', keys.ends, other .. user)
end
return {'inserted'}
