-- What the scripts share. A script reads all it needs before it writes, so that one that fails has changed nothing.
--
-- Times are whole microseconds and come from the caller. As numbers of Lua, and as scores, they are exact until 2255.

local call = redis.call

-- The fields that decide whether, and how, a session has ended.
local DEADLINES = {'last_active_at', 'idle_timeout', 'expires_at', 'ended_at'}

local function number(text)
  local value = tonumber(text)
  if not value then
    error({err = 'CORRUPT a field of a session record is missing, or is no number'})
  end
  return value
end

-- The order of the index: bytes, whatever language the server was started in.
local function is_less(a, b)
  for place = 1, math.min(#a, #b) do
    local left, right = string.byte(a, place), string.byte(b, place)
    if left ~= right then return left < right end
  end
  return #a < #b
end

-- What these fields hold; nil when there is no record.
local function deadlines(record)
  local values = call('HMGET', record, unpack(DEADLINES))
  if not values[1] and call('EXISTS', record) == 0 then return nil end
  return {last_active_at = values[1], idle_timeout = values[2], expires_at = values[3], ended_at = values[4]}
end

-- What never changes of a record: its pieces, as long as the server keeps them in a small hash.
local PIECE = 64

local function piece_name(place)
  return place == 0 and 'fixed' or 'fixed.' .. place
end

local function fixed_of(record)
  local pieces = {}
  while true do
    local piece = call('HGET', record, piece_name(#pieces))
    if not piece then return table.concat(pieces) end
    pieces[#pieces + 1] = piece
  end
end

local function put_fixed(record, text)
  local place = 0
  for first = 1, #text, PIECE do
    call('HSET', record, piece_name(place), string.sub(text, first, first + PIECE - 1))
    place = place + 1
  end
  while call('HDEL', record, piece_name(place)) == 1 do place = place + 1 end
end

local function is_readable(times)
  return tonumber(times.last_active_at) and tonumber(times.idle_timeout) and tonumber(times.expires_at)
end

-- The deadline that a session without an ending has passed by `now`, if any: its reason and its moment. `cutoff` is
-- `now` less the allowance for activity that is not on record yet.
local function passed(times, now, cutoff)
  if number(times.expires_at) <= now then
    return 'expired', times.expires_at
  end
  local timed_out = number(times.last_active_at) + number(times.idle_timeout)
  if timed_out <= cutoff then
    return 'idle', string.format('%.0f', timed_out)
  end
end

-- Whether the session may be changed and shown: it has ended, or the user's index knows it. Without the index, ending
-- all of a user's sessions would miss it, so one whose index was lost is as good as gone.
local function is_known(record, open, id)
  return call('HEXISTS', record, 'ended_at') == 1 or (call('ZSCORE', open, id) and call('EXISTS', record) == 1)
end

-- The standings of a device that scripts look at.
local FORGOTTEN, LASTING = '1', '2'

local function device_key(base, user, id)
  return base .. 'device:' .. id .. ':' .. user
end

-- Whether there is a device that its user has not forgotten.
local function is_known_device(device)
  return call('EXISTS', device) == 1 and call('HGET', device, 'standing') ~= FORGOTTEN
end

-- Lets a key live at least so many milliseconds more.
local function outlive(key, milliseconds)
  if call('PTTL', key) < number(milliseconds) then
    call('PEXPIRE', key, milliseconds)
  end
end

-- The ending that a session gets: that of the deadline it has passed, else the one asked for. A record that cannot be
-- read ends as asked, since it must be possible to end it.
local function ending_of(times, asked, cutoff)
  local reason, at
  if is_readable(times) then
    reason, at = passed(times, number(asked.at), number(cutoff))
  end
  if reason then
    return {at = at, reason = reason, actor = 'system', is_due = true}
  end
  return asked
end

-- Puts an ending on record. `keys` holds the user's `open` and `over`, and the shard's `ends`.
local function put_ending(keys, record, id, user, times, ending, keep)
  call('HSET', record, 'ended_at', ending.at, 'ended_for', ending.reason, 'ended_by', ending.actor)
  call('PEXPIRE', record, keep)
  call('ZREM', keys.open, id)
  call('ZADD', keys.over, tonumber(times.last_active_at) and times.last_active_at or 0, id)
  call('ZADD', keys.ends, ending.at, id .. user)
  outlive(keys.over, keep)
  outlive(keys.ends, keep)
end
