SELECT
    {% for column in columns %}
    {% if column.made %}{{ column.name }}{% else %}CAST({{ column.constant }} AS {{ column.type }}) AS {{ column.name }}{% endif %}{% if not loop.last %},{% endif %}

    {% endfor %}
FROM settled
WHERE _rule IS NULL AND _left_out IS NULL
