-- Read the parts of job records that lists show: long fields stay in Redis, except for the beginning of a long error.
-- KEYS job:<id>...
-- ARGV longest (bytes of a field that is returned), n, n names of fields that can be long, names of other fields...
-- returns per job the values of the other fields, then of those that can be long: the value, or a list if it is too
--      long, with the beginning of an error; then when the job is due and when its lease expires ('' = neither)
local longest, last = tonumber(ARGV[1]), 2 + ARGV[2]
local jobs = {}
for i, key in ipairs(KEYS) do
  local values = redis.call('HMGET', key, unpack(ARGV, last + 1))
  for j = 3, last do
    local value
    if redis.call('HSTRLEN', key, ARGV[j]) <= longest then
      value = redis.call('HGET', key, ARGV[j])
    elseif ARGV[j] == 'error' then
      value = {redis.call('HGET', key, ARGV[j]):sub(1, longest)}
    else
      value = {}
    end
    values[#values + 1] = value
  end
  local id, queue = key:sub(5), redis.call('HGET', key, 'queue')
  values[#values + 1] = score('delayed:', queue, id)
  values[#values + 1] = score('leases:', queue, id)
  jobs[i] = values
end
return jobs
