"""What configures Prometheus, Grafana and the containers: valid, and at one with each other."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ..conftest import missing
from .reading import FOLDER, Json, dashboards

DATA_SOURCES = FOLDER / "provisioning" / "datasources" / "streamend.yml"
PROVIDERS = FOLDER / "provisioning" / "dashboards" / "streamend.yml"
PROMETHEUS = FOLDER / "prometheus" / "prometheus.yml"
COMPOSE = FOLDER / "compose.yml"


def read(path: Path) -> Json:
    """Return a YAML file's content."""
    content: Json = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def services() -> Json:
    """Return the compose file's services."""
    found: Json = read(COMPOSE)["services"]
    return found


def test_prometheus_takes_its_configuration(tmp_path: Path) -> None:
    """``promtool check config`` finds nothing, the rules it names included."""
    promtool = shutil.which("promtool")
    if promtool is None:
        missing("promtool", "apt-get install prometheus")
        return
    folder = shutil.copytree(FOLDER, tmp_path / "grafana")
    command = [promtool, "check", "config", str(folder / "prometheus" / "prometheus.yml")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_takes_the_file() -> None:
    """It is of the compose specification's schema, as check-jsonschema carries it."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run(
        [*command, str(COMPOSE)], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_image_is_pinned(services: Json) -> None:
    """Each names a version to the last digit, the one that the site is built on too."""
    images = [service["image"] for service in services.values() if "build" not in service]
    inline = services["app"]["build"]["dockerfile_inline"]
    for image in (*images, *re.findall(r"^FROM (\S+)", inline, re.MULTILINE)):
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+(-\w+)?", image), image


def test_what_containers_mount_is_there(services: Json) -> None:
    """Each folder that is mounted is one of these, read-only; each volume is declared."""
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source, _, rest = volume.partition(":")
            if source.startswith("./"):
                assert (FOLDER / source).is_dir(), (name, source)
                assert rest.endswith(":ro"), (name, volume)
            else:
                assert source in read(COMPOSE)["volumes"], (name, source)


def test_what_the_image_copies_is_there(services: Json) -> None:
    """Each file that the site's image is built of lies in the checkout."""
    inline = services["app"]["build"]["dockerfile_inline"]
    lines = re.findall(r"^COPY (.+) \S+$", inline, re.MULTILINE)
    copied = [name for line in lines for name in line.split()]
    assert "flask_streamend" in copied
    if (FOLDER.parent / "flask_streamend").is_dir():  # not where the wheel is tested
        for name in copied:
            assert (FOLDER.parent / name).exists(), name


def test_addresses_are_those_of_services(services: Json) -> None:
    """Prometheus scrapes the site and calls the Alertmanager; Grafana asks Prometheus."""
    config = read(PROMETHEUS)
    scraped = config["scrape_configs"][0]["static_configs"][0]["targets"]
    called = config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    asked = [source["url"] for source in read(DATA_SOURCES)["datasources"]]
    for address in (*scraped, *called, *asked):
        assert address.removeprefix("http://").partition(":")[0] in services, address


def test_grafana_reads_the_dashboards_where_they_are_mounted(services: Json) -> None:
    """The provider's path is a mounted folder, and so is the home page's."""
    grafana = services["grafana"]
    mounts = [volume.split(":")[1] for volume in grafana["volumes"]]
    (provider,) = read(PROVIDERS)["providers"]
    assert provider["options"]["path"] in mounts
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert Path(home).stem in dashboards()
    assert str(Path(home).parent) in mounts


def test_prometheus_keeps_what_the_dashboards_ask_for(services: Json) -> None:
    """Exemplars, and the 30 days of the objective."""
    command = services["prometheus"]["command"]
    assert "--enable-feature=exemplar-storage" in command
    assert "--storage.tsdb.retention.time=35d" in command


def test_the_data_source_fits_prometheus() -> None:
    """Its interval is the scrape's; exemplars lead to the event's dashboard and to its trace."""
    (source,) = read(DATA_SOURCES)["datasources"]
    assert source["jsonData"]["timeInterval"] == read(PROMETHEUS)["global"]["scrape_interval"]
    ways = {way["name"]: way for way in source["jsonData"]["exemplarTraceIdDestinations"]}
    assert set(ways) == {"event_id", "trace_id"}
    url = ways["event_id"]["url"]
    assert re.fullmatch(r"/d/([\w-]+)\?var-event=\$\$\{__value\.raw:percentencode\}", url)
    assert url.split("/")[2].partition("?")[0] in dashboards()
