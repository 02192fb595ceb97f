"""An application that registers itself with the official Python SDK: `python -m tests.support.nacos_sdk_app …`.

A process of its own, because the SDK keeps global state and logs what it sends. It prints a ready line, and
deregisters on SIGTERM as the SDK's documentation wants it.
"""

import asyncio
import signal
import sys

from v2.nacos import (
    BatchRegisterInstanceParam,
    ClientConfigBuilder,
    DeregisterInstanceParam,
    NacosNamingService,
    RegisterInstanceParam,
)

USAGE = "python -m tests.support.nacos_sdk_app PORT DATA_DIR NACOS_PORT APP_NAME NAMESPACE"


async def main(port: int, folder: str, server_port: int, name: str, namespace: str) -> None:
    """Register one service with one instance and `NAME-batch` with two; end them on SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    config = (
        ClientConfigBuilder()
        .server_address(f"127.0.0.1:{server_port}")
        .namespace_id(namespace)
        .log_level("ERROR")
        .log_dir(folder)
        .cache_dir(folder)
        .build()
    )
    naming = await NacosNamingService.create_naming_service(config)
    one = RegisterInstanceParam(
        service_name=name, ip="127.0.0.1", port=port, weight=2.5, metadata={"version": "v2"}, cluster_name="EAST"
    )
    await naming.register_instance(one)
    two = [
        RegisterInstanceParam(service_name=f"{name}-batch", ip=f"127.0.0.{last}", port=port, group_name="BATCH")
        for last in (2, 3)
    ]
    batch = BatchRegisterInstanceParam(service_name=f"{name}-batch", group_name="BATCH", instances=two)
    await naming.batch_register_instances(batch)
    sys.stdout.write("FIXTURE READY sdk\n")
    sys.stdout.flush()
    await stop.wait()
    await naming.deregister_instance(
        DeregisterInstanceParam(service_name=name, ip="127.0.0.1", port=port, cluster_name="EAST")
    )
    await naming.shutdown()


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(f"usage: {USAGE}")
    _, port_, folder_, server_, name_, namespace_ = sys.argv
    asyncio.run(main(int(port_), folder_, int(server_), name_, namespace_))
