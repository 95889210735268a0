with older as (
    update platctl.migration_runs set facts = null where facts is not null
)
insert into platctl.migration_runs (from_version, to_version, before, after, column_order, facts, release, tool_version)
values (@from_version, @to_version, @before, @after, @column_order, @facts, @release, @tool_version)
