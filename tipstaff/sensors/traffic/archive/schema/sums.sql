-- Sums by the minute, then by the hour, kept longer than the flows themselves; the lower port is taken for the service's.
CREATE TABLE IF NOT EXISTS {database}.flows_{grain}_local {on_cluster}
(
    ended Int64 CODEC(Delta, ZSTD(1)), family UInt8, local UInt32, local_hi UInt64, local_lo UInt64, customer Int32, direction UInt8,
    twin UInt8, protocol UInt8, exporter UInt32, service UInt16, bytes UInt64, packets UInt64, flows UInt64, unscaled UInt64
)
ENGINE = {summing}
ORDER BY (family, local_hi, local, local_lo, ended, customer, direction, twin, protocol, exporter, service)
TTL toDateTime(intDiv(ended, 1000)) + INTERVAL {days} DAY DELETE
