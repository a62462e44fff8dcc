"""What a household is like: traits that never change and know nothing of its shopping."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ml.sources.demo.randomness import Bits, Draws, Floats, Integers

MAX_DEVICES = 3
PLATFORMS = ("mobile", "desktop", "tablet", "kiosk")
MOBILE, DESKTOP, TABLET, KIOSK = range(4)

WEB_SHARE = 0.75
DEVICE_COUNTS = (0.45, 0.38, 0.17)
NEVER_LOGIN = 0.3  # of second and third devices

# Area codes of the panel's (fictional) catchment, each with its state. The numbers 555-0100 to 555-0199
# of every area code are set aside for fiction and are valid to libphonenumber.
AREAS = (
    (205, "AL"), (216, "OH"), (219, "IN"), (220, "OH"), (224, "IL"), (229, "GA"), (234, "OH"), (240, "MD"),
    (248, "MI"), (252, "NC"), (256, "AL"), (260, "IN"), (269, "MI"), (270, "KY"), (276, "VA"), (301, "MD"),
    (304, "WV"), (313, "MI"), (317, "IN"), (330, "OH"), (334, "AL"), (336, "NC"), (404, "GA"), (410, "MD"),
    (412, "PA"), (419, "OH"), (423, "TN"), (434, "VA"), (440, "OH"), (478, "GA"), (502, "KY"), (513, "OH"),
    (517, "MI"), (540, "VA"), (567, "OH"), (574, "IN"), (606, "KY"), (614, "OH"), (615, "TN"), (616, "MI"),
    (734, "MI"), (740, "OH"), (757, "VA"), (765, "IN"), (804, "VA"), (812, "IN"), (814, "PA"), (859, "KY"),
    (865, "TN"), (901, "TN"), (937, "OH"),
)  # fmt: skip
REGIONS = tuple(sorted({state for _, state in AREAS}))


@dataclass(frozen=True)
class Traits:
    """One value per household (index into `Journey.households`); devices are households x 3."""

    slot: Integers  # position in a random order of households: area code and phone number follow from it
    area: Integers  # position in AREAS
    region: Integers  # position in REGIONS
    is_web: NDArray[np.bool_]
    visits_a_day: Floats
    online_share: Floats  # chance that a basket is ordered on the web
    login_share: Floats  # chance that a visit includes a login
    open_share: Floats  # chance that a message is opened
    device_count: Integers
    device_id: Bits
    device_platform: Integers
    device_logs_in: NDArray[np.bool_]


def draw_traits(households: Integers, draws: Draws) -> Traits:
    """Draw the traits of each household from its id alone."""
    slot = draws.order("household slot", households)
    area = slot % len(AREAS)
    states = np.array([REGIONS.index(state) for _, state in AREAS])
    owner, rank = households[:, None], np.arange(MAX_DEVICES)[None, :]
    appetite = draws.normal("visits", households)
    return Traits(
        slot=slot,
        area=area,
        region=states[area],
        is_web=draws.uniform("web", households) < WEB_SHARE,
        visits_a_day=0.135 * np.exp(0.8 * appetite - 0.32),
        online_share=0.02 + 0.34 * draws.uniform("online", households) ** 3,
        login_share=0.25 + 0.4 * draws.uniform("logs in", households),
        open_share=0.06 + 0.66 * draws.uniform("opens", households) ** 1.5,
        device_count=1 + draws.pick("devices", DEVICE_COUNTS, households),
        device_id=draws.bits("device", owner, rank),
        device_platform=draws.pick("platform", (0.58, 0.33, 0.09), owner, rank),
        device_logs_in=(rank == 0) | (draws.uniform("logs in here", owner, rank) >= NEVER_LOGIN),
    )
