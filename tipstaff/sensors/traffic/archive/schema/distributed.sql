-- What is asked and written: on one server the table itself, on a cluster a Distributed table over it. A host's flows lie together.
CREATE {kind} IF NOT EXISTS {database}.{name} {on_cluster} AS {database}.{name}_local {distributed}
