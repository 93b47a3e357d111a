"""The room of one running inspection: joining, signalling, presence, snapshots, recording."""
