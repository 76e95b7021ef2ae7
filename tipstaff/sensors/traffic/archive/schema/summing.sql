CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.flows_{grain}_made {on_cluster} TO {database}.flows_{grain}_local AS
SELECT intDiv(ended, {step}) * {step} AS ended, family, local, local_hi, local_lo, customer, direction, twin, protocol, exporter,
    least(local_port, peer_port) AS service, sum(f.bytes * greatest(rate, 1)) AS bytes, sum(f.packets * greatest(rate, 1)) AS packets,
    count() AS flows, countIf(rate = 0) AS unscaled
FROM {database}.flows_local AS f
GROUP BY ended, family, local, local_hi, local_lo, customer, direction, twin, protocol, exporter, service
