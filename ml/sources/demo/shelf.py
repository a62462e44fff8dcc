"""Which product a visitor looks at: something popular, an old favourite, or what is about to be bought."""

from dataclasses import dataclass

import numpy as np

from ml.sources.demo.journey import Journey, midnights
from ml.sources.demo.randomness import Bits, Draws, Floats, Integers
from ml.sources.demo.visits import INTENT, Visits

FAVOURITES = 0.45  # of views outside purchases: something the household had bought before that day


@dataclass(frozen=True)
class Shelf:
    """Chooses products for views; `views` and `adds` count the views and carts of each visit."""

    journey: Journey
    visits: Visits
    views: Integers
    adds: Integers
    draws: Draws

    def viewed_by_cart(self, visit: Integers, nth: Integers) -> Integers:
        """Which view a cart follows: the last ones, and for decided visits never before the third."""
        views = self.views[visit]
        position = np.maximum(views - np.maximum(self.adds[visit], 1) + nth, 0)
        decided = self.visits.intent[visit] == INTENT
        position = np.where(decided, np.maximum(position, 2), position)
        return np.asarray(np.minimum(position, np.maximum(views - 1, 0)))

    def product(self, visit: Integers, slot: Integers) -> Integers:
        """The product shown in view `slot` of each visit."""
        key = self.draws.bits("shown", self.visits.key[visit], slot)
        product = self._popular(key)
        for line in (self._favourite(visit, key), self._from_basket(visit, slot, key)):
            product = self._known(line, product)
        return product

    def _popular(self, key: Bits) -> Integers:
        """A few products take most of the looks; which ones has nothing to do with sales."""
        catalogue = self.journey.catalogue
        rank = (self.draws.uniform("popular", key) ** 4 * len(catalogue)).astype(np.int64)
        shuffled = np.argsort(self.draws.bits("fame", catalogue), kind="stable")
        return catalogue[shuffled[rank]]

    def _favourite(self, visit: Integers, key: Bits) -> Integers:
        """Often a line of what the household had bought before the day of the visit, else -1."""
        household, epoch = self.visits.household[visit], self.visits.epoch[visit]
        known = np.maximum(household, 0)
        day = midnights()[np.maximum(np.searchsorted(midnights(), epoch, side="right") - 1, 0)]
        low = self.journey.line_start[self.journey.first_basket(known)]
        high = self.journey.line_start[self.journey.baskets_before(known, day)]
        again = (household >= 0) & (high > low) & (self.draws.uniform("favourite", key) < FAVOURITES)
        line = low + (self.draws.uniform("which favourite", key) * (high - low)).astype(np.int64)
        return np.where(again, line, -1)

    def _from_basket(self, visit: Integers, slot: Integers, key: Bits) -> Integers:
        """A line of the basket for the last views of a purchase's visit, those that end in the cart."""
        basket = self.visits.basket[visit]
        low, high = self.journey.line_start[basket], self.journey.line_start[basket + 1]
        bought = (basket >= 0) & (slot >= self.views[visit] - self.adds[visit])
        line = low + (self.draws.uniform("which line", key) * (high - low)).astype(np.int64)
        return np.where(bought, line, -1)

    def _known(self, line: Integers, otherwise: Integers) -> Integers:
        """The line's product, where there is one and the catalogue knows it."""
        product, catalogue = self.journey.line_product[line], self.journey.catalogue
        place = np.minimum(np.searchsorted(catalogue, product), len(catalogue) - 1)
        return np.where((line >= 0) & (catalogue[place] == product), product, otherwise)


def list_price(product: Integers, draws: Draws) -> Floats:
    """A made-up shelf price in dollars, fixed per product."""
    return np.asarray(draws.integers("price", 79, 1299, product) / 100)
