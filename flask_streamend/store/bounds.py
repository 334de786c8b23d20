"""The bounds both stores keep, in milliseconds unless the name says otherwise."""

#: The ledger: how long, and how many, settled deliveries are kept.
KEEP_MS = 7 * 86_400_000
KEEP_COUNT = 10_000
#: Ends in one digest; with one more, another begins.
DIGEST_MAX = 100
#: A digest's member comes up by itself this long after its digest, in case that was lost.
STRAY_MS = 60_000
#: An unsettled delivery counts as overdue this long after its event ended.
OVERDUE_MS = 5_000
#: A session that was stopped or purged is remembered this long: far longer than a process's beat.
OVER_MS = 3_600_000
#: A process that is gone is remembered this long: longer than a report may be on its way.
GONE_MS = 60_000
#: A guest's out is remembered this long: longer than the in that it overtook may be on its way.
OUT_MS = 60_000
#: What is ready this long counts as unheard, and for so long one process only is asked to ring.
UNHEARD_MS = 1_000
RINGING_MS = 3_000
#: After an outage that is noticed by one who does not beat, silence is usual for this long more.
QUIET_MS = 5_000
#: A process's lease, until one has said what it is.
LEASE_MS = 15_000
#: Of one session, what was told and what is put back differ by this much at the most: calls take
#: a while, and move what they say is past.
SLACK_MS = 100
#: Milliseconds that a call may have been on its way, at the most: who sent it waits no longer.
ON_ITS_WAY_MS = 5_000
#: Attempts in progress that a process hands over stay its own for so long.
SENDING_MS = 120_000
#: Processes whose word about themselves is kept.
PROCESSES_MAX = 500
#: In place of a report's number: newer than any.
NEWEST = 2**53
#: Events named in one heartbeat, before it says that they are too many.
SHARED_MAX = 1_000
#: Settled deliveries among which an overview looks for dead letters, the newest.
SEARCHED = 1_000
