-- Read the record of a job, and the times that the sorted sets have.
-- KEYS job:<id>
-- ARGV id
-- returns the record (field, value, ...), when the job is due ('' = not delayed), when its lease expires ('' = none)
local queue = redis.call('HGET', KEYS[1], 'queue')
return {redis.call('HGETALL', KEYS[1]), score('delayed:', queue, ARGV[1]), score('leases:', queue, ARGV[1])}
