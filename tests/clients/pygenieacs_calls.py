"""Every call of the package pygenieacs, against a server with devices (`.ci/drive-clients`)."""

import asyncio
import os
import subprocess

import httpx
from pygenieacs import DevicesAPI, GenieACSClient, PresetsAPI, ProvisionsAPI, TasksAPI

CODE = "Device.DeviceInfo.ProvisioningCode"


def sessions():
    """Each device comes once more, and does its tasks."""
    command = [os.environ["LODESTAR"], "--log", "warn", "sim", "cpe"]
    command += ["--acs", os.environ["CWMP_URL"], "--devices", "3"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


async def missing(call):
    """Whether what is asked for is not there."""
    try:
        await call
    except httpx.HTTPStatusError as error:
        return error.response.status_code == 404
    return False


async def devices_and_tasks(client):
    devices, tasks = DevicesAPI(client), TasksAPI(client)
    ids = [device["_id"] for device in await devices.list()]
    assert len(ids) == 3, ids
    first, second, last = ids
    found = await devices.list({"query": '{"_id": "%s"}' % first, "projection": "_id,_lastInform"})
    assert [device["_id"] for device in found] == [first] and "_lastInform" in found[0], found
    assert (await devices.get(first))["_deviceId"]["_OUI"] == "0A1B2C"

    values = {"parameterValues": [[CODE, "by pygenieacs", "xsd:string"]]}
    queued = [
        await tasks.add(first, "setParameterValues", values),
        await tasks.add(first, "getParameterValues", {"parameterNames": [CODE]}),
        await devices.refresh_object(first, "Device.DeviceInfo"),
        await tasks.add(second, "reboot"),
    ]
    assert [task["name"] for task in queued][2] == "refreshObject", queued
    listed = {task["_id"] for task in await tasks.list()}
    assert listed == {task["_id"] for task in queued}, listed
    # It takes only 204 for success; the API that it is made for answers 200, too.
    assert await tasks.delete(queued[3]["_id"]) is False
    sessions()
    for task in queued[:3]:
        assert (await tasks.get(task["_id"]))["state"] == "done", task
    device = await devices.get(first)
    assert device["Device"]["DeviceInfo"]["ProvisioningCode"]["_value"] == "by pygenieacs"

    assert await devices.delete(last) is False
    assert await missing(devices.get(last))


async def presets_and_provisions(client):
    presets, provisions = PresetsAPI(client), ProvisionsAPI(client)
    await provisions.create("by-client", 'log("from pygenieacs");')
    await presets.create("by-client", {"weight": 1, "provisions": ["by-client"]})
    assert (await provisions.get("by-client"))["script"] == 'log("from pygenieacs");'
    assert (await presets.get("by-client"))["provisions"] == ["by-client"]
    for collection in (presets, provisions):
        assert "by-client" in [document["_id"] for document in await collection.list()]
    for collection in (presets, provisions):
        assert await collection.delete("by-client") is False
        assert await missing(collection.get("by-client"))


async def main():
    async with GenieACSClient(os.environ["NBI_URL"], "anyone", os.environ["API_KEY"]) as client:
        await devices_and_tasks(client)
        await presets_and_provisions(client)
    print("pygenieacs: every call works")


asyncio.run(main())
