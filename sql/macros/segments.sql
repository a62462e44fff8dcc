{# What segment queries are made of. Values become literals by themselves; names pass through `identifier`. #}

{# Every tag that ends a line swallows the line's end: text after it starts on a line of its own. #}
{% macro test(of) %}
{% set column = of.column | identifier %}
{% if of.operator == "above" %}
{{ column }} > {{ of.value }}
{% elif of.operator == "at_least" %}
{{ column }} >= {{ of.value }}
{% elif of.operator == "below" %}
{{ column }} < {{ of.value }}
{% elif of.operator == "at_most" %}
{{ column }} <= {{ of.value }}
{% elif of.operator == "equals" %}
{{ column }} = {{ of.value }}
{% elif of.operator == "in" %}
{{ column }} IN ({{ of.value }})
{% elif of.operator == "is_missing" %}
{{ column }} IS NULL
{% elif of.operator == "is_known" %}
{{ column }} IS NOT NULL
{% elif of.operator == "is_true" %}
{{ column }}
{% elif of.operator == "is_false" %}
NOT {{ column }}
{% elif of.operator == "most_of" %}
{{ column }} * 2 > {{ of.value | identifier }}
{% elif of.operator == "share" %}
{# Whole numbers, so that a fifth of 15 is 3 on every engine: place - 1 < share x ranked. #}
({{ column }} - 1) * 1000000 < {{ of.value.millionths }} * {{ of.value.ranked | identifier }}
{% endif %}
{% endmacro %}

{% macro tests(all) %}
{% for one in all %}
{{ test(one) }}
{%- if not loop.last %} AND {% endif %}
{% endfor %}
{% endmacro %}

{% macro is_event(what) %}
{{ what.kind.stream.kind | identifier }} = {{ what.kind.value }}
{%- if what.tests %} AND {{ tests(what.tests) }}{% endif %}
{% endmacro %}

{% macro within(clock, window) %}
{{ clock | identifier }} < {{ window.end }}
{%- if window.start is not none %} AND {{ clock | identifier }} >= {{ window.start }}{% endif %}
{% endmacro %}

{# A tally's own events among those of the scan. `of` are the tallies, which know where an anchor is. #}
{% macro is_tallied(of, tally) %}
{{ is_event(tally.what) }} AND {{ within(of.stream.clock, tally.window) }}
{%- if tally.window.after %} AND {{ of.stream.clock | identifier }} > {{ of.anchor(tally.window.after) | identifier }}{% endif %}
{% endmacro %}

{# The rows of one stream that any of its tallies looks at, each with the seconds of the customer's anchors. #}
{% macro scanned(of) %}
{{ of.stream.table | identifier }}
{% for anchor, source in of.anchors.items() %}
LEFT JOIN (
    SELECT customer_key AS {{ ("anchored_" ~ loop.index) | identifier }}, {{ source.column | identifier }} AS {{ of.anchor(anchor) | identifier }}
    FROM {{ source.table | identifier }}
) AS {{ ("anchors_" ~ loop.index) | identifier }} ON customer_key = {{ ("anchored_" ~ loop.index) | identifier }}
{% endfor %}
WHERE {{ of.stream.kind | identifier }} IN ({{ of.kinds }}) AND {{ within(of.stream.clock, of.window) }}
{% endmacro %}

{% macro ranking(rank) %}
, ROW_NUMBER() OVER (
    ORDER BY {{ rank.column | identifier }} {% if rank.descending %}DESC{% else %}ASC{% endif %} NULLS LAST, customer_key ASC NULLS LAST
) AS {{ rank.place | identifier }}
, COUNT({{ rank.column | identifier }}) OVER () AS {{ rank.ranked | identifier }}
{% endmacro %}

{% macro found(source) %}
{{ source.table | identifier }}.{{ source.column | identifier }}
{% endmacro %}

{# Bounds count whole days, as the feature lifecycle_stage does: up to 28 days is less than 29 times 86,400 seconds. #}
{% macro stage(of) %}
CASE
  WHEN {{ of.at }} - {{ found(of.last) }} < {{ of.active }} AND {{ of.at }} - {{ found(of.first) }} < {{ of.new }} THEN 'new'
  WHEN {{ of.at }} - {{ found(of.last) }} < {{ of.active }} THEN 'active'
  WHEN {{ of.at }} - {{ found(of.last) }} < {{ of.at_risk }} THEN 'at_risk'
  WHEN {{ of.at }} - {{ found(of.last) }} < {{ of.dormant }} THEN 'dormant'
  WHEN {{ found(of.last) }} IS NOT NULL THEN 'churned'
END
{% endmacro %}

{% macro is_in_stage(of) %}
CASE
  WHEN {{ stage(of.stage) }} IN ({{ of.names }}) THEN TRUE
  {% if "reactivated" in of.names %}
  WHEN {{ found(of.stage.back) }} - {{ found(of.stage.before) }} >= {{ of.stage.at_risk }} THEN TRUE
  {% endif %}
  ELSE FALSE
END
{% endmacro %}

{# The squared distance in one feature, scaled; products instead of a quotient, because those are alike everywhere. #}
{% macro distance(feature, scale, centre) %}
{% set value = "COALESCE(CAST(" | safe ~ feature | identifier ~ " AS DOUBLE), " | safe %}
({{ value }}{{ scale.missing * 1.0 }}) - {{ centre[feature] * 1.0 }}) * ({{ value }}{{ scale.missing * 1.0 }}) - {{ centre[feature] * 1.0 }}) * {{ scale.weight }}
{% endmacro %}

{% macro nearest(centres) %}
CASE
{% for cluster in centres %}
{% set place = loop.index %}
{% if not loop.last %}
  WHEN {% for other in range(place + 1, (centres | length) + 1) %}{{ ("distance_" ~ place) | identifier }} <= {{ ("distance_" ~ other) | identifier }}{% if not loop.last %} AND {% endif %}{% endfor %} THEN {{ cluster }}
{% else %}
  ELSE {{ cluster }}
{% endif %}
{% endfor %}
END
{% endmacro %}

{# What a weighted sum comes to, in millionths of thousandths of a point: whole numbers add up alike everywhere. #}
{% macro points(node) %}
{% for part in node.parts %}
{% set of = node.points[loop.index0] %}
{% if of.share %}
CAST({{ of.thousandths }} AS BIGINT) * COALESCE(CAST(FLOOR({{ of.share | identifier }} * 1000000 + 0.5) AS BIGINT), 0)
{% else %}
CASE WHEN {{ holds(part) }} THEN CAST({{ of.thousandths * 1000000 }} AS BIGINT) ELSE 0 END
{% endif %}
{%- if not loop.last %} + {% endif %}
{% endfor %}
{% endmacro %}

{% macro holds(node) %}
{% if node.kind == "leaf" %}
{{ node.leaf.column | identifier }}
{% elif node.kind == "not" %}
NOT ({{ holds(node.parts[0]) }})
{% elif node.kind == "weight" %}
{{ points(node) }} >= {{ node.threshold }}
{% else %}
(
  {% for part in node.parts %}
  {{ holds(part) }}
  {%- if not loop.last and node.kind == "all" %} AND {% elif not loop.last %} OR {% endif %}
  {% endfor %}
)
{% endif %}
{% endmacro %}
