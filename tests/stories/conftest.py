"""What every story of a case proves beside its own: lived through once more by the back-test, it comes out as it did."""

import pytest

from tests.cases import resolving
from tipstaff.cases.backtesting import reading
from tipstaff.cases.backtesting.comparing import unfaithful
from tipstaff.cases.backtesting.replaying import replay
from tipstaff.cases.models import Case, Measure
from tipstaff.policy import queries as policy

#: Stories in which a row is set by hand, which no replay can know of.
BY_HAND = frozenset({"test_discretion_is_a_leads_and_is_called_so"})


@pytest.fixture(autouse=True)
def replayed(request, monkeypatch):
    """After a story with a ``Desk``: its cases under their own editions, in memory."""
    desks = []
    begin = resolving.Desk.__init__

    def begun(self, *given, **more):
        begin(self, *given, **more)
        desks.append(self)

    monkeypatch.setattr(resolving.Desk, "__init__", begun)
    yield
    if not desks or request.node.name.partition("[")[0] in BY_HAND:
        return
    cases = list(Case.objects.exclude(state="RESTRICTED_CASE").select_related("customer", "service", "parent__customer", "edition"))
    editions = {case.edition_id: policy.compiled(case.edition) for case in cases}
    cut = set(Measure.objects.filter(in_force_at__isnull=False, emergency=False).values_list("case_id", flat=True))
    cut |= set(Measure.objects.filter(confirmed_at__isnull=False, emergency=True).values_list("case_id", flat=True))
    apart = reading.not_replayed([case.pk for case in cases])
    for case, past in zip(cases, reading.pasts(cases, editions), strict=True):
        then = replay(past, editions[case.edition_id], desks[-1].now)
        assert case.pk in apart or not unfaithful(then, case.state, case.pk in cut), then
