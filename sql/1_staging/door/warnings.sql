{% for flag in flags %}
SELECT _file, {{ flag.label }} || ':' || {{ flag.check }} AS warning, COUNT(*) AS row_count
FROM {{ flag.rows | identifier }}
WHERE _rule IS NULL AND _left_out IS NULL AND {{ flag.raised }}
GROUP BY _file, warning
{% if not loop.last %}UNION ALL{% endif %}

{% endfor %}
