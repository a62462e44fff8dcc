{# A sequence as subqueries: what happened, then each step, then the silence after the last. Everything is in one
   total order (second, then identifier), so that a step is strictly after the one before it on every engine. #}
{% from "macros/segments.sql" import is_event, within %}

{% set in_order = "ORDER BY happened_epoch ASC NULLS LAST, event_id ASC NULLS LAST" | safe %}

{% macro sequence(of) %}
{{ happened(of) }}
{% for step in of.steps %}
{{ reached(of, step, loop.index) }}
{% endfor %}
{{ kept(of) }}
{% endmacro %}

{% macro happened(of) %}
, {{ (of.name ~ "_happened") | identifier }} AS (
{% for stream, kinds in of.streams %}
  SELECT
    customer_key
    , {{ stream.clock | identifier }} AS happened_epoch
    , {{ stream.id | identifier }} AS event_id
    {% for flag, what, ends in of.happenings %}
    {% if what.kind.stream.table == stream.table %}
    , CASE WHEN {{ is_event(what) }} AND {{ stream.clock | identifier }} < {{ ends }} THEN TRUE ELSE FALSE END AS {{ flag | identifier }}
    {% else %}
    , FALSE AS {{ flag | identifier }}
    {% endif %}
    {% endfor %}
  FROM {{ stream.table | identifier }}
  WHERE {{ stream.kind | identifier }} IN ({{ kinds }})
    AND {{ stream.clock | identifier }} < {{ of.ends }}
    {% if of.window.start is not none %}
    AND {{ stream.clock | identifier }} >= {{ of.window.start }}
    {% endif %}
  {% if not loop.last %}UNION ALL{% endif %}
{% endfor %}
)
{% endmacro %}

{% macro carried(of) %}
    customer_key, happened_epoch, event_id
    {% for flag, what, ends in of.happenings %}
    , {{ flag | identifier }}
    {% endfor %}
{% endmacro %}

{# done_epoch: when this step was complete; ready_epoch: the latest completion of the step before, strictly earlier. #}
{% macro reached(of, step, number) %}
{% set before = of.name ~ ("_happened" if number == 1 else "_step_" ~ (number - 1)) %}
{% if number > 1 %}
{% set ready = of.name ~ "_ready_" ~ number %}
, {{ ready | identifier }} AS (
  SELECT
    {{ carried(of) }}
    , MAX(done_epoch) OVER (
        PARTITION BY customer_key {{ in_order }} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS ready_epoch
  FROM {{ before | identifier }}
)
{% set before = ready %}
{% endif %}
, {{ (of.name ~ "_step_" ~ number) | identifier }} AS (
  SELECT
    {{ carried(of) }}
    , CASE WHEN {{ complete(step, number) }} THEN happened_epoch END AS done_epoch
  FROM {{ before | identifier }}
)
{% endmacro %}

{% macro complete(step, number) %}
{% set flag = ("is_step_" ~ number) | identifier %}
{{ flag }}
{% if step.count > 1 %}
AND {{ first_of_run(step, flag, "happened_epoch") }} {{ not_before(step.within) }}
{% endif %}
{% if number > 1 and step.count > 1 %}
AND {{ first_of_run(step, flag, "ready_epoch") }} {{ not_before(step.no_later_than) }}
{% elif number > 1 %}
AND ready_epoch {{ not_before(step.no_later_than) }}
{% endif %}
{% endmacro %}

{% macro not_before(seconds) %}
{% if seconds is none %}
IS NOT NULL
{% else %}
>= happened_epoch - {{ seconds }}
{% endif %}
{% endmacro %}

{% macro first_of_run(step, flag, column) %}
LAG({{ column | identifier }}, {{ step.count - 1 }}) OVER (PARTITION BY customer_key, {{ flag }} {{ in_order }})
{% endmacro %}

{% macro kept(of) %}
{% set last = of.name ~ "_step_" ~ (of.steps | length) %}
{% if of.closing %}
{% set closed = of.name ~ "_closed" %}
, {{ closed | identifier }} AS (
  SELECT
    customer_key
    , done_epoch
    , MIN(CASE WHEN is_closing THEN happened_epoch END) OVER (
        PARTITION BY customer_key {{ in_order }} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS closing_epoch
  FROM {{ last | identifier }}
)
{% set last = closed %}
{% endif %}
, {{ of.name | identifier }} AS (
  SELECT customer_key, COUNT(*) AS times, MAX(done_epoch) AS latest_epoch
  FROM {{ last | identifier }}
  WHERE done_epoch IS NOT NULL
    {% if of.closing %}
    AND done_epoch + {{ of.silence }} <= {{ of.as_of_epoch }}
    AND (closing_epoch IS NULL OR closing_epoch >= done_epoch + {{ of.silence }})
    {% endif %}
  GROUP BY customer_key
)
{% endmacro %}
