"""From settings to the conversion policy of a source: pure."""

from collections.abc import Mapping

import msgspec

from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.model.merge_policy import MergePolicy, MergeRule, Sharing
from meshregistry.model.policy import ConversionPolicy, ExtraMeta, MergedPorts, Profile, Territory
from meshregistry.model.relabel import NamePart, PartKind, RelabelStep, ServiceNaming
from meshregistry.model.selection import EndpointSelector, LabelRequirement, Operator, Selection
from meshregistry.model.service_entry import Location
from meshregistry.settings import selection
from meshregistry.settings.eureka import EurekaSource
from meshregistry.settings.merge import Merge
from meshregistry.settings.nacos import NacosSource
from meshregistry.settings.root import Settings
from meshregistry.settings.source import Source

_AS_REGISTERED = ServiceNaming((NamePart(PartKind.INSTANCE, "service"),))


def conversion_policy(settings: Settings, source: str) -> ConversionPolicy:
    """Return how the instances of a source (`nacos`, `eureka`, `zookeeper`, `files`) become ServiceEntries.

    Rules for which source a key counts in Slime: pkg/bootstrap/args.go and the sources; here the keys that Slime has
    for Nacos alone count for every source.
    """
    if source == "nacos":
        return _complete_nacos(_common_policy(settings, settings.nacos_source, source), settings.nacos_source)
    if source == "eureka":
        return _complete_eureka(_common_policy(settings, settings.eureka_source, source), settings.eureka_source)
    return _common_policy(settings, settings.sources()[section_name(source)], source)


def section_name(source: str) -> str:
    """Return the section of the settings that a source has; that of files is what Slime calls it."""
    return "k8s_source" if source == "files" else f"{source}_source"


def _common_policy(settings: Settings, options: Source, source: str) -> ConversionPolicy:
    shared = settings.conversion
    region, zone, subzone = (*(options.locality_labels or shared.locality_labels), "", "", "")[:3]
    return ConversionPolicy(
        source=source,
        profile=Profile(settings.profile),
        svc_protocol=options.svc_protocol,
        generic_protocol=options.generic_protocol,
        svc_port=options.svc_port,
        instance_port_as_svc_port=options.instance_port_as_svc_port,
        default_service_ns=options.default_service_ns,
        resource_ns=options.resource_ns,
        location=Location[options.location],
        drop_host_names=options.drop_host_names,
        selection=_selection(options),
        relabel=_relabel_steps(options.instance_meta_relabel),
        service_naming=_service_naming(options.service_naming),
        host_aliases=tuple(sorted({each.host: each.aliases for each in options.service_host_aliases}.items())),
        extra_metas=_extra_metas(options.service_additional_metas),
        merged_ports=_merged_ports(options),
        instance_protocols=options.instance_protocols,
        locality_labels=(region, zone, subzone),
        default_region=options.default_region,
        endpoint_relabel_items=tuple(shared.endpoint_relabel_items.items()),
        skip_validate_label_value=shared.skip_validate_label_value,
        entry_label_keys=shared.se_label_selector_keys,
        revision=shared.istio_revision,
        registry_id_meta_key=shared.registry_id_meta_key,
        label_patch=options.label_patch and source != "files",
        merging=_merge_policy(settings.merge),
        vip_range=shared.virtual_addresses,
        vip_for_all=shared.virtual_addresses_for == "all",
        max_label_value_bytes=shared.max_label_value_bytes,
        max_labels_bytes=shared.max_labels_bytes,
        territory=_territory(options),
    )


def _complete_nacos(policy: ConversionPolicy, options: NacosSource) -> ConversionPolicy:
    """Add what only Nacos has; in the slime profile with Slime's own idea of an instance's service.

    Slime takes it from the instance, where it is `group@@name`, and regroups by it as soon as anything is relabelled.
    """
    is_slime = policy.profile is Profile.SLIME
    is_regrouped = is_slime and options.instance_meta_relabel is not None
    return msgspec.structs.replace(
        policy,
        ns_host=options.ns_host,
        k8s_domain_suffix=options.k8s_domain_suffix,
        dom_suffix=options.dom_suffix,
        drop_unhealthy=options.drop_unhealthy,
        project_code=options.enable_project_code,
        host_with_group=options.host_with_group,
        host_with_namespace=options.host_with_namespace,
        meta_key_group=options.meta_key_group,
        meta_key_namespace=options.meta_key_namespace,
        meta_key_cluster=options.meta_key_cluster,
        grouped_services=is_slime,
        selection=msgspec.structs.replace(policy.selection, by_address=not is_slime),
        service_naming=policy.service_naming or (_AS_REGISTERED if is_regrouped else None),
    )


def _complete_eureka(policy: ConversionPolicy, options: EurekaSource) -> ConversionPolicy:
    region, zone, subzone = policy.locality_labels
    return msgspec.structs.replace(
        policy,
        ns_host=options.ns_host,
        k8s_domain_suffix=options.k8s_domain_suffix,
        dom_suffix=options.app_suffix,
        project_code=options.enable_project_code,
        expose_secure_port=options.expose_secure_port,
        alias_hosts=options.vip_alias,
        weight_key=options.weight_key,
        zone_key=options.zone_key,
        locality_labels=(region, zone or options.zone_key, subzone),
    )


def _territory(options: Source) -> Territory | None:
    if not options.allow_hosts and not options.allow_namespaces:
        return None
    return Territory(options.allow_hosts, options.allow_namespaces)


def _merge_policy(merge: Merge) -> MergePolicy:
    return MergePolicy(
        MergeRule(("*",), Sharing(merge.policy), merge.order),
        tuple(MergeRule(each.hosts, Sharing(each.policy), each.order or merge.order) for each in merge.hosts),
    )


def _selection(options: Source) -> Selection:
    return Selection(
        source=tuple(_endpoint_selector(each) for each in options.endpoint_selectors),
        serviced=tuple(
            (service, tuple(_endpoint_selector(each) for each in selectors))
            for service, selectors in sorted(options.serviced_endpoint_selectors.items())
        ),
        empty_excludes_all=options.empty_ep_selectors_exclude_all,
        always_source=options.always_use_source_scoped_ep_selectors,
    )


def _endpoint_selector(selector: selection.EndpointSelector) -> EndpointSelector:
    return EndpointSelector(
        match_labels=_pairs(selector.match_labels),
        match_expressions=tuple(
            LabelRequirement(each.key, Operator(each.operator), each.values) for each in selector.match_expressions
        ),
        has_label_part=bool({"match_labels", "match_expressions"} & selector.model_fields_set),
        exclude_ips=selector.exclude_ip_ranges.ips,
        exclude_cidrs=selector.exclude_ip_ranges.cidrs,
    )


def _relabel_steps(relabel: selection.InstanceMetaRelabel | None) -> tuple[RelabelStep, ...]:
    return tuple(
        RelabelStep(each.key, each.target_key, each.overwrite, each.created_with_value, _pairs(each.values_mapping))
        for each in (relabel.items if relabel else ())
    )


def _service_naming(naming: selection.ServiceNameConverter | None) -> ServiceNaming | None:
    if naming is None:
        return None
    return ServiceNaming(tuple(NamePart(PartKind(each.kind), each.value) for each in naming.items), naming.sep)


def _extra_metas(metas: Mapping[str, selection.AdditionalMeta]) -> tuple[tuple[str, ExtraMeta], ...]:
    return tuple(
        (name, ExtraMeta(_pairs(meta.labels), _pairs(meta.annotations))) for name, meta in sorted(metas.items())
    )


def _merged_ports(options: Source) -> MergedPorts | None:
    if not options.mock_service_entry_name:
        return None
    return MergedPorts(
        options.mock_service_entry_name,
        options.mock_service_name,
        instance_ports=options.mock_service_merge_instance_port,
        service_ports=options.mock_service_merge_service_port,
    )


def _pairs(items: Mapping[str, str]) -> Pairs:
    return sort_pairs(dict(items))
