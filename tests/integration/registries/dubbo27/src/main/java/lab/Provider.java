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
import org.apache.dubbo.config.ConfigCenterConfig;
import org.apache.dubbo.config.MetadataReportConfig;
import org.apache.dubbo.config.MethodConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** Dubbo 2.7 provider fixture. All switches are environment variables, see start.sh. */
public class Provider {
    static String env(String key, String dflt) {
        String v = System.getenv(key);
        return v == null || v.isEmpty() ? dflt : v;
    }

    static <T> ServiceConfig<T> service(Class<T> type, String group, String version) {
        ServiceConfig<T> s = new ServiceConfig<>();
        s.setInterface(type);
        s.setId(type.getSimpleName() + "_" + group + "_" + version);
        s.setRef(type.cast(new Impl()));
        if (group != null) s.setGroup(group);
        if (version != null) s.setVersion(version);
        return s;
    }

    public static void main(String[] args) throws Exception {
        String name = env("APP", "demo-provider27");
        ApplicationConfig app = new ApplicationConfig(name);
        app.setQosEnable(false);
        app.setOwner("lab");
        app.setOrganization("mesh");
        app.setVersion("1.4.2");
        if (!env("METADATA_TYPE", "").isEmpty()) app.setMetadataType(env("METADATA_TYPE", ""));

        // "zookeeper://h:p" = interface level; add "?registry-type=service" for application level
        List<RegistryConfig> registries = new ArrayList<>();
        int n = 0;
        for (String a : env("REGISTRY", "zookeeper://127.0.0.1:2181").split(";")) {
            RegistryConfig r = new RegistryConfig(a);
            r.setId("r" + n++);
            if (!env("REGISTRY_GROUP", "").isEmpty()) r.setGroup(env("REGISTRY_GROUP", ""));
            registries.add(r);
        }

        ProtocolConfig dubbo = new ProtocolConfig("dubbo", Integer.parseInt(env("DUBBO_PORT", "20890")));
        dubbo.setId("pdubbo");

        List<ServiceConfig<?>> services = new ArrayList<>();
        services.add(service(GreetService.class, null, null));
        ServiceConfig<GreetService> g1 = service(GreetService.class, "g1", "1.0.0");
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
        services.add(service(GreetService.class, null, "2.0.0"));
        services.add(service(GreetService.class, "g2", null));
        ServiceConfig<OrderService> o = service(OrderService.class, null, "1.0.0");
        o.setParameters(new HashMap<>(Map.of(
            "custom.amp", "a&b", "custom.eq", "k=v", "custom.comma", "a,b", "custom.pct", "100%",
            "custom.space", "two words", "custom.plus", "1+1", "custom.uni", "h\u00e9-\u6d4b\u8bd5", "custom.empty", "",
            "custom.q", "what?", "custom.semi", "a;b")));
        o.setDeprecated(true);
        o.setToken("true");
        services.add(o);
        ServiceConfig<UserService> u = service(UserService.class, "users", "1.0.0");
        u.setDynamic(false);
        u.setWeight(0);
        services.add(u);
        services.add(service(Outer.InnerService.class, null, null));

        DubboBootstrap b = DubboBootstrap.getInstance();
        b.application(app).registries(registries).protocol(dubbo);
        if (!env("METADATA_REPORT", "").isEmpty()) {
            MetadataReportConfig r = new MetadataReportConfig();
            r.setAddress(env("METADATA_REPORT", ""));
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
