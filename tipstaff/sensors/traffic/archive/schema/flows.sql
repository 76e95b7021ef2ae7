-- Single flows, each seen from each of its local ends (twin 1: the second end of a flow between two of our hosts).
-- Sorted by local address, so that one host's flows are found by reading little. `keep_until` is set when rows are written:
-- the end of the retention, or far away for customers under a hold; when a hold is made or released it is corrected.
-- `filed` is the day on which a row came in by our clock: an exporter that lies about time makes no partitions.
CREATE TABLE IF NOT EXISTS {database}.flows_local {on_cluster}
(
    family UInt8, local UInt32, local_hi UInt64, local_lo UInt64, peer UInt32, peer_hi UInt64, peer_lo UInt64,
    local_port UInt16, peer_port UInt16, customer Int32, peer_customer Int32, direction UInt8, twin UInt8,
    protocol UInt8, tos UInt8, tcp_flags UInt8, rate UInt32, input UInt32, output UInt32, src_as UInt32, dst_as UInt32,
    vlan UInt16, exporter UInt32, marks UInt8, bytes UInt64 CODEC(ZSTD(1)), packets UInt64 CODEC(ZSTD(1)),
    ended Int64 CODEC(Delta, ZSTD(1)), lasted UInt32 CODEC(ZSTD(1)), keep_until DateTime CODEC(Delta, ZSTD(1)),
    filed Date,
    INDEX by_time ended TYPE minmax GRANULARITY 1,
    INDEX by_peer (family, peer, peer_hi, peer_lo) TYPE bloom_filter GRANULARITY 4
)
ENGINE = {engine}
PARTITION BY filed
ORDER BY (family, local_hi, local, local_lo, ended)
TTL keep_until DELETE
SETTINGS ttl_only_drop_parts = 0, {window}
