"""Runs a trial session until somebody kills it; says which verdicts it has been promised."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sheets import judge, sheet

from world4rl_core.runtime.trial_record import Verdict
from world4rl_core.runtime.trial_session import TrialSession

with TrialSession.create(Path(sys.argv[1]), sheet(2, trials_each=20)) as session:
    while session.upcoming is not None:
        kept = judge(session, Verdict.SUCCESS if session.upcoming.label == "B" else Verdict.TIMEOUT)
        sys.stdout.write(f"judged {kept.number}\n")
        sys.stdout.flush()
    sys.stdout.write(f"over {len(session.sheet.order)}\n")
    sys.stdout.flush()
