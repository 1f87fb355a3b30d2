-- KEYS: open, over. ARGV: base, user, state, now, cutoff, except, 'after' or 'above', at, id, limit. Answers pairs of an id
-- and the fields of its record: those after a place in the order of the list, or those above it in the other order.
local base, user, state, now, cutoff, except, side, at, place_id, limit = unpack(ARGV)
now, cutoff, limit = number(now), number(cutoff), number(limit)
local STEP = 64
local rises = side == 'above'

-- Whether an entry comes before another one.
local function precedes(score, id, other_score, other_id)
  if rises then score, id, other_score, other_id = other_score, other_id, score, id end
  return score > other_score or (score == other_score and is_less(other_id, id))
end

-- Walks an index from the position on, a few entries at a time.
local function walk(index)
  local self = {offset = 0, place = 1, entries = {}}
  function self.peek()
    if self.place > #self.entries then
      local entries
      if rises then
        entries = call('ZRANGEBYSCORE', index, at, '+inf', 'WITHSCORES', 'LIMIT', self.offset, STEP)
      else
        entries = call('ZREVRANGEBYSCORE', index, at, '-inf', 'WITHSCORES', 'LIMIT', self.offset, STEP)
      end
      self.offset, self.place, self.entries = self.offset + STEP, 1, entries
    end
    return self.entries[self.place], tonumber(self.entries[self.place + 1])
  end
  function self.skip()
    self.place = self.place + 2
  end
  return self
end

local walks = {walk(KEYS[1])}
if state ~= 'active' then walks[2] = walk(KEYS[2]) end

local function next_entry()
  local first, id, score
  for _, candidate in ipairs(walks) do
    local other, other_score = candidate.peek()
    if other and (not id or precedes(other_score, other, score, id)) then
      first, id, score = candidate, other, other_score
    end
  end
  if first then first.skip() end
  return id, score
end

local page, gone = {}, {}
while #page < limit do
  local id, score = next_entry()
  if not id then break end
  local is_past = precedes(number(at), place_id, score, id)
  if is_past and id ~= except then
    local record = base .. 's:' .. id .. ':' .. user
    local times = deadlines(record)
    if times then
      local is_active = not times.ended_at and not passed(times, now, cutoff)
      if state == 'all' or is_active == (state == 'active') then
        page[#page + 1] = {id, call('HGETALL', record)}
      end
    else
      gone[#gone + 1] = id
    end
  end
end
-- Records that have outlived everything leave their names behind.
for _, id in ipairs(gone) do
  call('ZREM', KEYS[1], id)
  call('ZREM', KEYS[2], id)
end
return page
