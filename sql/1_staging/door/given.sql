{% import "macros/door.sql" as door %}
SELECT
    {% for origin in origins %}
    {{ door.value_of(origin) }} AS {{ origin.given }}{% if not loop.last %},{% endif %}

    {% endfor %}
FROM raw
