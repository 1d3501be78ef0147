// Jobs with keys by age, in Lua: what lists them while they wait.

/** Entries of jobs that wait no longer which the list may hold beyond those it is shortened by at each claim. */
const SLACK = 256;
/** Entries looked at one by one in a call where more are behind. */
const LOOKED_AT = 100;

/*
 * Jobs that wait are listed by their ids. For most of those with keys an index in a sorted set (`Bt`) was the dearest of
 * what is kept of them: of 26 µs from claim to settlement it took 3, and 109 bytes more than a list. They stand in the
 * list `b` instead, in the order of their ids, behind its sentinel. One whose id is not the highest goes to the index,
 * and so do those that wait by time, or were given back.
 *
 * A job that is taken stays in the list until it comes first: readers look at the records in any case. Turns go about in
 * the order of arrival, so a claim usually finds what it took in front. Where one that waits long keeps others, it is put
 * into the index: after a claim the list is no longer than what waits, and the slack.
 */
export const ARRIVALS: string = `
-- A list is empty at no moment: see claim.ts.
local function drop_arrivals(count)
  if count == 0 then return end
  call('LSET', ARRIVALS, count, '')
  call('LTRIM', ARRIVALS, count, -1)
end
local function set_of(ids)
  local set = {}
  for k = 1, #ids do set[ids[k]] = true end
  return set
end
-- own: ids of jobs that this call took, so many; what changed of rows has been written.
local function tidy_arrivals(own, count)
  local ids, gone, taken = call('LRANGE', ARRIVALS, '1', count), 0, nil
  while gone < count and ids[gone + 1] == own[gone + 1] do gone = gone + 1 end
  if gone < count then
    -- Not in the order of arrival.
    taken = set_of(own)
    while ids[gone + 1] and taken[ids[gone + 1]] do gone = gone + 1 end
  end
  drop_arrivals(gone)
  local more = call('LLEN', ARRIVALS) - call('ZCARD', KEYED) - (call('HGET', GATES, 'w') or 0) - ${SLACK}
  if more <= 0 then return end
  taken = taken or set_of(own)
  ids = call('LRANGE', ARRIVALS, '1', ${LOOKED_AT} + 2 * count)
  local runs = read_fields(RUNNING, ids)
  for k = 1, #ids do
    local id = ids[k]
    local record = not runs[k] and not taken[id] and call('HGET', shard_of(id), id)
    if record and sub(record, 1, 1) == 'T' then call('ZADD', INDEX, '0', 'Bt' .. id) end
  end
  drop_arrivals(#ids)
end
`;
