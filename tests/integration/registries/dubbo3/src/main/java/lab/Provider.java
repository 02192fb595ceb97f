package lab;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import lab.api.GreetService;
import lab.api.Impl;
import lab.api.OrderService;
import lab.api.Outer;
import lab.api.UserService;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.MetadataReportConfig;
import org.apache.dubbo.config.ConfigCenterConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** Dubbo 3.x provider fixture. All switches are environment variables, see start.sh. */
public class Provider {
    static String env(String key, String dflt) {
        String v = System.getenv(key);
        return v == null || v.isEmpty() ? dflt : v;
    }

    static <T> ServiceConfig<T> service(Class<T> type, String group, String version, String protocols) {
        ServiceConfig<T> s = new ServiceConfig<>();
        s.setInterface(type);
        s.setId(type.getSimpleName() + "_" + group + "_" + version);
        s.setRef(type.cast(new Impl()));
        if (group != null) s.setGroup(group);
        if (version != null) s.setVersion(version);
        s.setProtocolIds(protocols);
        return s;
    }

    public static void main(String[] args) throws Exception {
        String name = env("APP", "demo-provider3");
        ApplicationConfig app = new ApplicationConfig(name);
        app.setQosEnable(false);
        app.setRegisterMode(env("REGISTER_MODE", "all"));
        app.setMetadataType(env("METADATA_TYPE", "local"));
        app.setOwner("lab");
        app.setOrganization("mesh");
        app.setVersion("1.4.2");
        app.setParameters(new HashMap<>(Map.of("zone", "z1")));

        String addresses = env("REGISTRY", "zookeeper://127.0.0.1:2181");
        List<RegistryConfig> registries = new ArrayList<>();
        int n = 0;
        for (String a : addresses.split(";")) {
            RegistryConfig r = new RegistryConfig(a);
            r.setId("r" + n++);
            if (!env("REGISTRY_GROUP", "").isEmpty()) r.setGroup(env("REGISTRY_GROUP", ""));
            registries.add(r);
        }

        ProtocolConfig dubbo = new ProtocolConfig("dubbo", Integer.parseInt(env("DUBBO_PORT", "20880")));
        dubbo.setId("pdubbo");
        // port unification (3.3): the dubbo port also answers this protocol
        if (!env("EXT_PROTOCOL", "").isEmpty()) dubbo.setExtProtocol(env("EXT_PROTOCOL", ""));
        if (!env("PREFERRED_PROTOCOL", "").isEmpty()) dubbo.setPreferredProtocol(env("PREFERRED_PROTOCOL", ""));
        ProtocolConfig tri = new ProtocolConfig("tri", Integer.parseInt(env("TRI_PORT", "50051")));
        tri.setId("ptri");

        List<ServiceConfig<?>> services = new ArrayList<>();
        services.add(service(GreetService.class, null, null, "pdubbo,ptri"));
        ServiceConfig<GreetService> g1 = service(GreetService.class, "g1", "1.0.0", "pdubbo");
        g1.setWeight(50);
        g1.setTimeout(3000);
        g1.setRetries(2);
        g1.setLoadbalance("roundrobin");
        g1.setWarmup(60000);
        g1.setTag("gray");
        MethodConfig m = new MethodConfig();
        m.setName("sayHello");
        m.setTimeout(500);
        m.setRetries(0);
        g1.setMethods(List.of(m));
        services.add(g1);
        services.add(service(GreetService.class, null, "2.0.0", "pdubbo"));
        services.add(service(GreetService.class, "g2", null, "ptri"));
        ServiceConfig<OrderService> o = service(OrderService.class, null, "1.0.0", "ptri,pdubbo");
        o.setParameters(new HashMap<>(Map.of(
            "custom.amp", "a&b", "custom.eq", "k=v", "custom.comma", "a,b", "custom.pct", "100%",
            "custom.space", "two words", "custom.plus", "1+1", "custom.uni", "h\u00e9-\u6d4b\u8bd5", "custom.empty", "",
            "custom.q", "what?", "custom.semi", "a;b")));
        o.setDeprecated(true);
        o.setToken("true");
        services.add(o);
        ServiceConfig<UserService> u = service(UserService.class, "users", "1.0.0", "pdubbo");
        u.setDynamic(false);
        u.setWeight(0);
        services.add(u);
        services.add(service(Outer.InnerService.class, null, null, "pdubbo"));

        if (!env("EXT_PROTOCOL", "").isEmpty()) for (ServiceConfig<?> x : services) x.setProtocolIds("pdubbo");
        DubboBootstrap b = DubboBootstrap.getInstance();
        b.application(app).registries(registries).protocols(env("EXT_PROTOCOL", "").isEmpty() ? List.of(dubbo, tri) : List.of(dubbo));
        if (!env("METADATA_REPORT", "").isEmpty()) {
            MetadataReportConfig r = new MetadataReportConfig();
            r.setAddress(env("METADATA_REPORT", ""));
            r.setReportDefinition(true);
            b.metadataReport(r);
        }
        if (!env("CONFIG_CENTER", "").isEmpty()) {
            ConfigCenterConfig c = new ConfigCenterConfig();
            c.setAddress(env("CONFIG_CENTER", ""));
            b.configCenter(c);
        }
        for (ServiceConfig<?> s : services) b.service(s);
        b.start();
        System.out.println("READY " + name);
        System.out.flush();
        new CountDownLatch(1).await();
    }
}
