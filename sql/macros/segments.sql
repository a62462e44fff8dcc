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

{% macro ranking(rank) %}
, ROW_NUMBER() OVER (
    ORDER BY {{ rank.column | identifier }} {% if rank.descending %}DESC{% else %}ASC{% endif %} NULLS LAST, customer_key ASC NULLS LAST
) AS {{ rank.place | identifier }}
, COUNT({{ rank.column | identifier }}) OVER () AS {{ rank.ranked | identifier }}
{% endmacro %}

{% macro holds(node) %}
{% if node.kind == "leaf" %}
{{ node.leaf.column | identifier }}
{% elif node.kind == "not" %}
NOT ({{ holds(node.parts[0]) }})
{% else %}
(
  {% for part in node.parts %}
  {{ holds(part) }}
  {%- if not loop.last and node.kind == "all" %} AND {% elif not loop.last %} OR {% endif %}
  {% endfor %}
)
{% endif %}
{% endmacro %}
