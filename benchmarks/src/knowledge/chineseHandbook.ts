import type { Handbook } from "./Handbook.ts"

/** A Chinese shop's goods. */
export const CHINESE: Handbook = {
  folder: "中文",
  first: ["星河", "青山", "云海", "明月", "东风", "金桥", "白鹿", "长安", "春晓", "海棠"],
  second: ["电饭煲", "洗衣机", "空调", "台灯", "耳机", "电水壶", "吸尘器", "自行车", "冰箱", "烤箱"],
  between: "",
  topics: [
    {
      title: "退货",
      passages: [
        "{name}自签收之日起{days}天内可以无理由退货，商品须未使用、包装完好。退款在三个工作日内原路退回，运费{amount}元由买家承担。",
        "购买{name}后{days}天内支持无理由退货，要求未使用且包装完好。买家承担运费{amount}元，退款三个工作日内原路返回。",
      ],
      asked: ["{name}可以退货吗？", "{name}退货的运费谁承担？"],
      reworded: ["买回来的{name}不喜欢，不想要了怎么办？", "我想把{name}寄回去拿回钱"],
    },
    {
      title: "保修",
      passages: [
        "{name}整机保修{days}年，凭发票享受。人为损坏和自然磨损不在保修范围内，上门检测费{amount}元。",
        "凭发票，{name}享受整机{days}年保修；自然磨损和人为损坏除外。上门检测收费{amount}元。",
      ],
      asked: ["{name}保修几年？", "{name}人为损坏可以保修吗？"],
      reworded: ["用了一年的{name}坏了，修理要花钱吗？", "{name}出了毛病找谁？"],
    },
    {
      title: "发货与配送",
      passages: [
        "{name}下单后{days}天内发货，快递配送到家。满{limit}元包邮，不满收运费{amount}元，偏远地区另计。",
        "订单付款后{days}天内发出{name}，由快递配送。{limit}元以上包邮，否则收取{amount}元，偏远地区除外。",
      ],
      asked: ["{name}几天发货？", "{name}满多少元包邮？"],
      reworded: ["我买的{name}怎么还没到？", "{name}什么时候能收到？"],
    },
    {
      title: "发票",
      passages: [
        "购买{name}可开具电子发票，在订单页面填写抬头和税号，{days}个工作日内发送到邮箱。换开需在{limit}天内申请。",
        "{name}的电子发票请在订单页面申请，填写抬头和税号后{days}个工作日内发到邮箱；{limit}天内可以换开。",
      ],
      asked: ["怎么申请{name}的电子发票？", "{name}的发票抬头在哪里填写？"],
      reworded: ["公司报销要用{name}的票据，去哪儿弄？", "我需要买{name}的凭证"],
    },
    {
      title: "安装",
      passages: [
        "{name}提供上门安装服务，收费{amount}元，需提前{days}天预约。安装师傅会现场讲解使用方法。",
        "预约上门安装{name}请提前{days}天，费用{amount}元，师傅安装后现场演示使用方法。",
      ],
      asked: ["{name}上门安装收费多少？", "{name}安装要提前几天预约？"],
      reworded: ["我不会装{name}，你们能派人来吗？", "谁来教我怎么用{name}？"],
    },
    {
      title: "清洁保养",
      passages: [
        "请每{days}周用软布和中性洗涤剂擦拭{name}，切勿用水直接冲洗，也不要使用钢丝球。",
        "清洁{name}时用软布蘸中性洗涤剂，每{days}周一次；不可直接用水冲洗，不可用钢丝球。",
      ],
      asked: ["{name}怎么清洁？", "{name}可以用水冲洗吗？"],
      reworded: ["{name}脏了该怎么弄干净？", "{name}上面有油污擦不掉"],
    },
    {
      title: "能耗",
      passages: [
        "{name}能效等级为二级，正常使用每年耗电约{limit}度，待机功率{percent}瓦。",
        "正常使用时{name}一年耗电约{limit}度，待机{percent}瓦，能效等级二级。",
      ],
      asked: ["{name}一年耗电多少度？", "{name}的能效等级是几级？"],
      reworded: ["{name}费不费电？", "用{name}电费会很高吗？"],
    },
    {
      title: "分期付款",
      passages: [
        "{name}支持{days}期分期付款，年利率{percent}%，首期在发货后一个月扣款，可随时提前还清。",
        "可以分{days}期付款购买{name}，年利率{percent}%。发货一个月后扣首期，提前还清不收费。",
      ],
      asked: ["{name}可以分期付款吗？", "{name}分期的年利率是多少？"],
      reworded: ["现在钱不够，能先拿{name}以后慢慢给吗？", "{name}能不能每个月还一点？"],
    },
    {
      title: "以旧换新",
      passages: [
        "购买{name}时可参加以旧换新，旧机最高抵{limit}元，送货时一并回收，请提前{days}天登记。",
        "{name}参加以旧换新活动：提前{days}天登记，送货时回收旧机，最高抵扣{limit}元。",
      ],
      asked: ["{name}以旧换新最高抵多少？", "{name}以旧换新怎么登记？"],
      reworded: ["家里那台不用的，买{name}时你们收吗？", "买了{name}，以前的那个怎么处理？"],
    },
  ],
}
