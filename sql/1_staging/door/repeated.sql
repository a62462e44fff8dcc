{# The latest row of a key stays; these are the others. #}
WITH good AS (
    SELECT * FROM referred WHERE _rule IS NULL AND _left_out IS NULL
),
repeated AS (
    SELECT {% for column in key %}{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}

    FROM good
    GROUP BY {% for column in key %}{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}

    HAVING COUNT(*) > 1
)
SELECT _file, _row
FROM good
INNER JOIN repeated USING ({% for column in key %}{{ column }}{% if not loop.last %}, {% endif %}{% endfor %})
QUALIFY ROW_NUMBER() OVER (
    PARTITION BY {% for column in key %}{{ column }}{% if not loop.last %}, {% endif %}{% endfor %}

    ORDER BY {% if latest_by %}{{ latest_by | identifier }} DESC NULLS LAST, {% endif %}_file DESC NULLS LAST, _row DESC NULLS LAST
) > 1
