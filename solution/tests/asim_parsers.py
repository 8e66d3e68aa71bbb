"""Writes the ASIM parsers over the official table from the catalogue (`crates/env/src/catalogue/events.txt`).

They say what the `asim` transform would have stored, for workspaces that keep the official table. One table, one row in
and at most one out, no join, no `mv-expand`, no `summarize`: Microsoft's rules for parsers. `parity.py` compares them with
the transform row by row.
"""

import uuid

import content

SCHEMAS = {"AuditEvent": "0.1.2", "Authentication": "0.1.4", "UserManagement": "0.1.2"}
UPDATED = "2026-11-30"
TIMES = "starttime:datetime=datetime(null), endtime:datetime=datetime(null)"
LIST = ":dynamic=dynamic([])"
# The parameters of each schema's filtering parsers. Authentication has two sets of names in Microsoft's pages and parsers: the
# documented ones, and those by which the workspace-deployed `imAuthentication` calls its sources. A call by a name that a
# parser doesn't have fails as a whole, so ours has both.
PARAMETERS = {
    "AuditEvent": [f"srcipaddr_has_any_prefix{LIST}", f"eventtype_in{LIST}", "eventresult:string='*'", f"actorusername_has_any{LIST}",
                   f"operation_has_any{LIST}", f"object_has_any{LIST}", f"newvalue_has_any{LIST}"],
    "Authentication": [f"username_has_any{LIST}", f"targetappname_has_any{LIST}", f"targetusername_has_any{LIST}", f"actorusername_has_any{LIST}", f"srcipaddr_has_any_prefix{LIST}",
                       f"srchostname_has_any{LIST}", f"targetipaddr_has_any_prefix{LIST}", f"dvcipaddr_has_any_prefix{LIST}",
                       f"dvchostname_has_any{LIST}", f"eventtype_in{LIST}", f"eventresultdetails_in{LIST}", "eventresult:string='*'"],
    "UserManagement": [f"srcipaddr_has_any_prefix{LIST}", f"targetusername_has_any{LIST}", f"actorusername_has_any{LIST}", f"eventtype_in{LIST}"],
}
# Last, and of both kinds of parsers: a workspace switches a source off by it, through the watchlist ASimDisabledParsers.
DISABLED = "disabled:bool=false"
ABSENT = {"newvalue_has_any", "srchostname_has_any", "targetipaddr_has_any_prefix", "dvcipaddr_has_any_prefix", "dvchostname_has_any"}
COLUMN = {"srcipaddr": "SrcIpAddr", "eventtype": "EventType", "eventresult": "EventResult", "actorusername": "ActorUsername",
          "operation": "Operation", "object": "Object", "targetusername": "TargetUsername", "eventresultdetails": "EventResultDetails",
          "targetappname": "TargetAppName"}


def parameters(schema):
    """All of a filtering parser's, in their order."""
    return TIMES.split(", ") + PARAMETERS[schema] + [DISABLED]


def catalogue():
    """The lines of the catalogue as dictionaries."""
    lines = (content.ROOT / "crates/env/src/catalogue/events.txt").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line and not line.startswith("#")]
    return [{name: "" if cell == "-" else cell for name, cell in zip(cells[0], row)} for row in cells[1:]]


def lookup(schema):
    """What is fixed about each event of a schema, as a table inside the parser."""
    columns = {"EventType": "event_type", "EventResult": "result", "EventResultDetails": "result_details", "EventSeverity": "severity"}
    columns |= {"AuditEvent": {"Object": "object", "ObjectType": "object_type"},
                "Authentication": {"TargetAppName": "object", "TargetAppType": "object_type", "LogonMethod": "logon_method", "About": "target"},
                "UserManagement": {"About": "target"}}[schema]
    declared = ", ".join(f"{name}:string" for name in ["EventOriginalType", *columns])
    rows = [[f"{entry['type']}.{entry['action']}"] + [entry[key] for key in columns.values()]
            for entry in catalogue() if entry["schema"] == schema]
    lines = ",\n".join("    " + ", ".join(f'"{cell}"' for cell in row) for row in rows)
    return f"let events = datatable({declared}) [\n{lines}\n];"


def filters(schema):
    """The lines that apply the parameters: time before the look-up, the rest behind it."""
    lines = []
    for parameter in PARAMETERS[schema]:
        name = parameter.split(":")[0]
        column = COLUMN.get(name.split("_")[0])
        if name in ABSENT:
            lines.append(f"| where array_length({name}) == 0")
        elif name == "username_has_any":
            lines.append(f"| where array_length({name}) == 0 or TargetUsername has_any ({name}) or ActorUsername has_any ({name})")
        elif name == "eventresult":
            lines.append("| where eventresult == '*' or EventResult =~ eventresult")
        elif name.endswith("_in"):
            lines.append(f"| where array_length({name}) == 0 or {column} in~ ({name})")
        elif name.endswith("_prefix"):
            lines.append(f"| where array_length({name}) == 0 or has_any_ipv4_prefix({column}, {name})")
        else:
            lines.append(f"| where array_length({name}) == 0 or {column} has_any ({name})")
    return "\n".join(lines)


# Who did it and to whom, as `src/transforms/asim/people.rs` decides it.
PEOPLE = '''| extend msp_uuid = tostring(metadata.msp.user_uuid), msp_email = tostring(metadata.msp.user_email), msp_role = tostring(metadata.msp.user_role)
| extend by_msp = isnotempty(msp_uuid) or isnotempty(msp_email)
| extend member_id = iff(by_msp, tostring(metadata.connector.user_uuid), user_uuid), member_name = iff(by_msp, tostring(metadata.connector.user_email), user_email)
| extend has_member = isnotempty(member_id) or isnotempty(member_name)
| extend by_initiator = not(by_msp) and not(has_member) and isnotempty(initiator)
| extend actor_name = case(by_msp, msp_email, has_member, member_name, initiator), ActorUserId = case(by_msp, msp_uuid, has_member, member_id, "")
| extend ActorUsername = iff(isnotempty(actor_name), actor_name, ActorUserId)
| extend ActorUsernameType = case(isempty(ActorUsername), "", ActorUsername contains "@", "UPN", "Simple"), ActorUserIdType = iff(isnotempty(ActorUserId), "Other", ""),
    ActorOriginalUserType = iff(by_msp, msp_role, ""), ActorScopeId = iff(by_msp or isempty(ActorUsername), "", organization_uuid),
    ActorUserType = case(by_msp and tolower(msp_role) in ("admin", "owner"), "Admin", by_initiator and initiator !contains "@", "SERVICE", "")'''

TARGET = '''| extend named_name = case(isnotempty(tostring(metadata.email)), tostring(metadata.email), isnotempty(tostring(metadata.user_email)), tostring(metadata.user_email),
    array_length(metadata.emails) == 1, tostring(metadata.emails[0]), array_length(metadata.user_emails) == 1, tostring(metadata.user_emails[0]), ""),
    named_id = case(isnotempty(tostring(metadata.user_uuid)), tostring(metadata.user_uuid), array_length(metadata.user_uuids) == 1, tostring(metadata.user_uuids[0]), "")
| extend has_named = isnotempty(named_name) or isnotempty(named_id)
| extend target_kind = case(About == "self" and has_member, "member", About == "self" and initiator contains "@", "initiator",
    About in ("other", "group") and has_named, "named", About in ("other", "group") and by_msp and has_member, "member", "")
| extend TargetUserId = case(target_kind == "member", member_id, target_kind == "named", named_id, ""),
    target_name = case(target_kind == "member", member_name, target_kind == "named", named_name, target_kind == "initiator", initiator, "")
| extend TargetUsername = iff(isnotempty(target_name), target_name, TargetUserId)
| extend TargetUsernameType = case(isempty(TargetUsername), "", TargetUsername contains "@", "UPN", "Simple"), TargetUserIdType = iff(isnotempty(TargetUserId), "Other", ""),
    TargetUserScopeId = iff(target_kind in ("member", "initiator"), organization_uuid, "")'''

# The address of a text, as `src/transforms/asim/row.rs` reads it: alone, with a port, in brackets, with spaces, or the first of
# a list. A last part like IPv4 counts as two groups of IPv6. `NordPassEvents.yaml` has the same lines.
OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
V4 = rf"{OCTET}(?:\.{OCTET}){{3}}"
H = "[0-9A-Fa-f]{1,4}"
V6 = "|".join([f"(?:{H}:){{7}}{H}", f"(?:{H}:){{1,7}}:", f":(?::{H}){{1,7}}", "::"]
              + [f"(?:{H}:){{1,{7 - number}}}(?::{H}){{1,{number}}}" for number in range(1, 7)])
ADDRESS = rf'''| extend address = trim(@"[ \t\n\f\r]+", tostring(split(address, ",")[0]))
| extend address = replace_regex(address, @"^(?:([0-9.]+)|\[([0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\])(?::[0-9]{{1,5}})?$", @"\1\2")
| extend SrcIpAddr = iff(address matches regex @"^{V4}$" or
    replace_regex(address, @":{V4}$", ":0:0") matches regex @"^(?:{V6})$", address, "")'''

REST = '''| extend member_aside = by_msp and has_member and target_kind != "member", platform = tostring(metadata.platform), address = tostring(metadata.ip_address),
    is_object = gettype(metadata) == "dictionary", plain = replace_regex(tostring(metadata), @',?"connector":\\{"user_uuid":("[^"]*"|null),"user_email":("[^"]*"|null)\\}\\}$', "}")
| extend organization_text = tostring(bag_pack("Organization", organization_uuid)), initiator_text = tostring(bag_pack("Initiator", initiator)),
    user_text = tostring(bag_pack("User", bag_pack("uuid", member_id, "email", member_name))), day = format_datetime(EventStartTime, "yyyy-MM-dd"), hour = format_datetime(EventStartTime, "HH:mm:ss")
| extend organization_text = iff(isnotempty(organization_uuid), strcat(",", substring(organization_text, 1, strlen(organization_text) - 2)), ""),
    initiator_text = iff(isnotempty(initiator) and initiator != actor_name, strcat(",", substring(initiator_text, 1, strlen(initiator_text) - 2)), ""),
    user_text = iff(member_aside, strcat(",", substring(user_text, 1, strlen(user_text) - 2)), ""),
    odd = tostring(bag_pack("Metadata", metadata))
| extend plain = case(gettype(metadata) == "null", "", not(is_object), strcat(",", substring(odd, 1, strlen(odd) - 2)),
    strlen(plain) > 2, strcat(",", substring(plain, 1, strlen(plain) - 2)), "")
| extend AdditionalFields = todynamic(strcat('{"OriginalTime":"', day, "T", hour, 'Z"', organization_text, user_text, initiator_text, plain, "}"))
| extend word = tolower(extract(@"^([A-Za-z0-9]*)", 1, platform))
| extend SrcDeviceType = case(word in ("windows", "macos", "mac", "osx", "linux", "chromeos"), "Computer",
    word in ("android", "ios", "ipados", "iphone", "ipad"), "Mobile Device", ""), ActingAppName = platform'''

COMMON = ["TimeGenerated", "EventStartTime", "EventEndTime", "EventVendor", "EventProduct", "EventSchema", "EventSchemaVersion", "EventCount",
          "EventType", "EventResult", "EventResultDetails", "EventSeverity", "EventOriginalType", "EventOriginalUid",
          "ActorUsername", "ActorUsernameType", "ActorUserId", "ActorUserIdType", "ActorUserType", "ActorOriginalUserType", "ActorScopeId",
          "ActingAppName", "SrcIpAddr", "SrcDeviceType", "AdditionalFields"]
TARGETS = ["TargetUsername", "TargetUsernameType", "TargetUserId", "TargetUserIdType", "TargetUserScopeId"]
OWN = {"AuditEvent": ["Operation", "Object", "ObjectType", "ObjectId"],
       "Authentication": TARGETS + ["TargetAppName", "TargetAppType", "LogonMethod", "ActingAppType", "SrcDvcOs"],
       "UserManagement": TARGETS + ["NewPropertyValue", "GroupName", "GroupNameType", "GroupId", "GroupIdType"]}
ALIASES = {"AuditEvent": "User = ActorUsername, IpAddr = SrcIpAddr, Src = SrcIpAddr, Dvc = \"NordPass\"",
           "Authentication": "User = TargetUsername, IpAddr = SrcIpAddr, Src = SrcIpAddr, Application = TargetAppName, LogonTarget = TargetAppName, Dvc = \"NordPass\"",
           "UserManagement": "User = ActorUsername, IpAddr = SrcIpAddr, Src = SrcIpAddr, Dvc = \"NordPass\""}


def special(schema):
    """What only this schema has."""
    if schema == "AuditEvent":
        return '''| extend EventType = iff(isempty(EventType), "Other", EventType), EventResult = iff(isempty(EventResult), "NA", EventResult),
    EventSeverity = iff(isempty(EventSeverity), "Informational", EventSeverity), Object = case(isnotempty(Object), Object, isnotempty(event_type), event_type, "Unknown"),
    ObjectType = iff(isempty(ObjectType), "Other", ObjectType), EventResultDetails = iff(isempty(EventResultDetails), "", EventResultDetails),
    Operation = case(isnotempty(action), action, isnotempty(event_type), event_type, "Unknown"),
    EventOriginalType = iff(EventOriginalType == ".", "", EventOriginalType), ActorUserType = replace_string(ActorUserType, "SERVICE", "Service"), first_item = metadata.items[0]
| extend ObjectId = case(isnotempty(tostring(metadata.item_uuid)), tostring(metadata.item_uuid), isnotempty(tostring(metadata.item_id)), tostring(metadata.item_id),
    array_length(metadata.items) != 1 or isnull(array_length(metadata.items)), "", isnotempty(tostring(first_item.uuid)), tostring(first_item.uuid),
    isnotempty(tostring(first_item.id)), tostring(first_item.id), tostring(first_item))'''
    if schema == "Authentication":
        return '''| extend ActorUserType = replace_string(ActorUserType, "SERVICE", "Service"), SrcDvcOs = iff(isnotempty(SrcDeviceType), platform, ""),
    ActingAppType = iff(word in ("chrome", "firefox", "edge", "safari", "opera", "brave", "vivaldi", "web", "browser", "extension"), "Browser", "")'''
    return '''| extend ActorUserType = replace_string(ActorUserType, "SERVICE", "Service Principal"), status = iff(gettype(metadata.status) in ("array", "dictionary"), "", tostring(metadata.status)), is_status = EventOriginalType == "access.user_status_updated"
| extend EventType = case(is_status and status =~ "suspended", "UserDisabled", is_status and status =~ "deleted", "UserDeleted", is_status and status =~ "active", "UserEnabled", EventType),
    NewPropertyValue = iff(is_status, status, ""), ActorUsernameType = iff(isempty(ActorUsername), "Simple", ActorUsernameType), ActorUsername = iff(isempty(ActorUsername), "Unknown", ActorUsername),
    GroupName = iff(About == "group", tostring(metadata.group_name), ""), GroupId = iff(About == "group", tostring(metadata.group_uuid), "")
| extend GroupNameType = iff(isnotempty(GroupName), "Simple", ""), GroupIdType = iff(isnotempty(GroupId), "UID", "")'''


def query(schema, filtering):
    """A parser's text."""
    lines = [lookup(schema)]
    if schema == "AuditEvent":
        others = ", ".join(f'"{entry["type"]}.{entry["action"]}"' for entry in catalogue() if entry["schema"] != schema)
        lines.append(f"let elsewhere = dynamic([{others}]);")
    lines += ["NordPassEventLogs_CL", "| where not(disabled)"]
    if filtering:
        lines.append("| where (isnull(starttime) or TimeGenerated >= starttime) and (isnull(endtime) or TimeGenerated <= endtime)")
    lines.append('| extend EventOriginalType = strcat(event_type, ".", action)')
    if schema == "AuditEvent":
        lines += ["| where EventOriginalType !in (elsewhere)", "| lookup kind=leftouter events on EventOriginalType", '| extend target_kind = ""']
    else:
        lines.append("| lookup kind=inner events on EventOriginalType")
    lines += ['| extend EventStartTime = datetime(1970-01-01) + timestamp * 1s, EventOriginalUid = column_ifexists("event_id", "")', PEOPLE]
    if schema != "AuditEvent":
        lines.append(TARGET)
    lines += [REST, ADDRESS, special(schema)]
    lines.append(f'| extend EventEndTime = EventStartTime, EventVendor = "Nord Security", EventProduct = "NordPass", EventSchema = "{schema}", '
                 f'EventSchemaVersion = "{SCHEMAS[schema]}", EventCount = toint(1)')
    if filtering:
        lines.append(filters(schema))
    lines.append(f"| project {', '.join(COMMON + OWN[schema])}, {ALIASES[schema]}")
    return "\n".join(lines) + "\n"


def text(schema, filtering):
    """The whole file."""
    name = f"{'vim' if filtering else 'ASim'}{schema}NordPass"
    identity = uuid.UUID(bytes=uuid.uuid5(uuid.NAMESPACE_URL, f"nordpass-sentinel/parsers/{name}").bytes, version=4)
    body = "\n".join(f"  {line}".rstrip() for line in query(schema, filtering).rstrip("\n").split("\n"))
    kind = "filtering parser" if filtering else "parser"
    head = (f"# Written by solution/tests/asim_parsers.py from crates/env/src/catalogue/events.txt; change these, then `cargo xtask solution`.\n"
            f"id: {identity}\nFunction:\n  Title: ASIM {schema} {kind} for NordPass (table NordPassEventLogs_CL)\n  Version: '1.0.0'\n"
            f"  LastUpdated: '{UPDATED}'\nCategory: Microsoft Sentinel Parser\nFunctionName: {name}\nFunctionAlias: {name}\nFunctionQuery: |\n{body}\n")
    head += f"FunctionParams: \"{', '.join(parameters(schema) if filtering else [DISABLED])}\"\n"
    return name, head


def check(write):
    """Whether the files are as this program writes them; or writes them."""
    view = (content.SOLUTION / "Parsers" / "NordPassEvents.yaml").read_text(encoding="utf-8")
    problems = [f"NordPassEvents.yaml reads addresses in another way: {line}" for line in ADDRESS.split("\n") if line.strip() not in view]
    for schema in SCHEMAS:
        for filtering in (False, True):
            name, fresh = text(schema, filtering)
            path = content.SOLUTION / "Parsers" / f"{name}.yaml"
            if write:
                path.write_text(fresh, encoding="utf-8")
            elif not path.exists() or path.read_text(encoding="utf-8") != fresh:
                problems.append(f"{path.name} is stale; run `cargo xtask solution`")
    return problems
