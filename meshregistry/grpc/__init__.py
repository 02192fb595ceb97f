"""gRPC messages as bytes: what grpclib's streams lack, for every room that speaks gRPC."""
