package lab;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import lab.api.GreetService;
import lab.api.OrderService;
import lab.api.Outer;
import lab.api.UserService;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;

/** Dubbo 3.x consumer fixture: creates /dubbo/<iface>/consumers nodes and calls one method. */
public class Consumer {
    static String env(String key, String dflt) {
        String v = System.getenv(key);
        return v == null || v.isEmpty() ? dflt : v;
    }

    static <T> ReferenceConfig<T> ref(Class<T> type, String group, String version) {
        ReferenceConfig<T> r = new ReferenceConfig<>();
        r.setInterface(type);
        if (group != null) r.setGroup(group);
        if (version != null) r.setVersion(version);
        r.setCheck(false);
        r.setTimeout(2000);
        return r;
    }

    public static void main(String[] args) throws Exception {
        String name = env("APP", "demo-consumer");
        ApplicationConfig app = new ApplicationConfig(name);
        app.setQosEnable(false);
        app.setRegisterMode(env("REGISTER_MODE", "all"));
        RegistryConfig reg = new RegistryConfig(env("REGISTRY", "zookeeper://127.0.0.1:2181"));
        if (!env("REGISTRY_GROUP", "").isEmpty()) reg.setGroup(env("REGISTRY_GROUP", ""));
        if (!env("MIGRATION_STEP", "").isEmpty()) System.setProperty("dubbo.application.service-discovery.migration", env("MIGRATION_STEP", ""));
        List<ReferenceConfig<?>> refs = new ArrayList<>();
        ReferenceConfig<GreetService> greet = ref(GreetService.class, null, null);
        refs.add(greet);
        refs.add(ref(GreetService.class, "g1", "1.0.0"));
        refs.add(ref(GreetService.class, "*", "*"));
        refs.add(ref(OrderService.class, null, "1.0.0"));
        refs.add(ref(UserService.class, "users", "1.0.0"));
        refs.add(ref(Outer.InnerService.class, null, null));
        DubboBootstrap b = DubboBootstrap.getInstance();
        b.application(app).registry(reg);
        for (ReferenceConfig<?> r : refs) b.reference(r);
        b.start();
        System.out.println("READY " + name);
        try {
            System.out.println("CALL " + greet.get().sayHello("mesh"));
        } catch (Throwable t) {
            System.out.println("CALL failed " + t);
        }
        System.out.flush();
        new CountDownLatch(1).await();
    }
}
