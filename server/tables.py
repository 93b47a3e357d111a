"""Every feature's tables in one metadata: what migrations are compared with."""

from server.accounts import models as accounts
from server.archive import models as archive
from server.cases import models as cases
from server.db.base import Base
from server.inspections import models as inspections
from server.live import models as live
from server.officelog import models as officelog

METADATA = Base.metadata
FEATURES = (accounts, archive, cases, inspections, live, officelog)
