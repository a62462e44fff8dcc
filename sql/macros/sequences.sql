{# A sequence as subqueries over `run_happened`: what it looks at, then each step, then the silence after the last. #}

{% set in_order = "ORDER BY place ASC NULLS LAST" | safe %}

{% macro followed(of, seen) %}
customer_key{% for link in of.links %}, {{ seen.links[link] | identifier }}{% endfor %}
{% endmacro %}

{% macro happened(of, seen) %}
happened AS (
  SELECT
    customer_key
    , happened_epoch
    , place
    {% for link in of.links %}
    , {{ seen.links[link] | identifier }}
    {% endfor %}
    {% for step in of.steps %}
    , CASE WHEN {{ seen.flags[step.what] | identifier }} AND happened_epoch < {{ of.window.end }} THEN TRUE ELSE FALSE END
        AS {{ ("is_step_" ~ loop.index) | identifier }}
    {% endfor %}
    {% if of.closing %}
    , {{ seen.flags[of.closing] | identifier }} AS is_closing
    {% endif %}
  FROM run_happened
  WHERE ({% for what in of.happenings %}{{ seen.flags[what] | identifier }}{% if not loop.last %} OR {% endif %}{% endfor %})
    AND happened_epoch < {{ of.ends }}
    {% if of.window.start is not none %}
    AND happened_epoch >= {{ of.window.start }}
    {% endif %}
    {% for link in of.links %}
    AND {{ seen.links[link] | identifier }} IS NOT NULL
    {% endfor %}
)
{% endmacro %}

{% macro carried(of, seen) %}
    {{ followed(of, seen) }}
    , happened_epoch
    , place
    {% for step in of.steps %}
    , {{ ("is_step_" ~ loop.index) | identifier }}
    {% endfor %}
    {% if of.closing %}
    , is_closing
    {% endif %}
{% endmacro %}

{# done_epoch: when this step was complete; ready_epoch: the latest completion of the step before, strictly earlier. #}
{% macro reached(of, seen, step, number) %}
{% set before = "happened" if number == 1 else "step_" ~ (number - 1) %}
{% if number > 1 %}
{% set ready = "ready_" ~ number %}
, {{ ready | identifier }} AS (
  SELECT
    {{ carried(of, seen) }}
    , MAX(done_epoch) OVER (
        PARTITION BY {{ followed(of, seen) }} {{ in_order }} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS ready_epoch
  FROM {{ before | identifier }}
)
{% set before = ready %}
{% endif %}
, {{ ("step_" ~ number) | identifier }} AS (
  SELECT
    {{ carried(of, seen) }}
    , CASE WHEN {{ complete(of, seen, step, number) }} THEN happened_epoch END AS done_epoch
  FROM {{ before | identifier }}
)
{% endmacro %}

{% macro complete(of, seen, step, number) %}
{% set flag = ("is_step_" ~ number) | identifier %}
{{ flag }}
{% if step.count > 1 %}
AND {{ first_of_run(of, seen, step, flag, "happened_epoch") }} {{ not_before(step.within) }}
{% endif %}
{% if number > 1 and step.count > 1 %}
AND {{ first_of_run(of, seen, step, flag, "ready_epoch") }} {{ not_before(step.no_later_than) }}
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

{% macro first_of_run(of, seen, step, flag, column) %}
LAG({{ column | identifier }}, {{ step.count - 1 }}) OVER (PARTITION BY {{ followed(of, seen) }}, {{ flag }} {{ in_order }})
{% endmacro %}

{% macro closed(of, seen) %}
{% if of.closing %}
, closed AS (
  SELECT
    customer_key
    , done_epoch
    , MIN(CASE WHEN is_closing THEN happened_epoch END) OVER (
        PARTITION BY {{ followed(of, seen) }} {{ in_order }} ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
    ) AS closing_epoch
  FROM {{ ("step_" ~ (of.steps | length)) | identifier }}
)
{% endif %}
{% endmacro %}

{% macro kept(of) %}
SELECT customer_key, COUNT(*) AS times, MAX(done_epoch) AS latest_epoch
FROM {{ ("closed" if of.closing else "step_" ~ (of.steps | length)) | identifier }}
WHERE done_epoch IS NOT NULL
  {% if of.closing %}
  AND done_epoch + {{ of.silence }} <= {{ of.now }}
  AND (closing_epoch IS NULL OR closing_epoch >= done_epoch + {{ of.silence }})
  {% endif %}
GROUP BY customer_key
{% endmacro %}
